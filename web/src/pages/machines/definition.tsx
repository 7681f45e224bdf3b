import { ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { useGet } from "../../api/hooks.ts";
import type { TemplateView, VmView } from "../../api/types.ts";
import { Code } from "../../parts/as-command.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { machineWords } from "../../words/machines.ts";

const names = machineWords.definition;
const kinds = ["json", "xml", "command"] as const;

/** The machine as text, in three languages. */
export function Definition({ vm }: { vm: VmView }) {
  const [kind, setKind] = useState<(typeof kinds)[number]>("json");
  return (
    <>
      <ToggleGroup aria-label={names.kind}>
        {kinds.map((one) => (
          <ToggleGroupItem key={one} text={names[one]} buttonId={`definition-${one}`} isSelected={kind === one} onChange={() => setKind(one)} />
        ))}
      </ToggleGroup>
      <div className="hostler-tab">
        {kind === "json" && <Code text={JSON.stringify(vm, null, 2)} label={names.json} />}
        {kind === "xml" && <Xml vm={vm} />}
        {kind === "command" && <Commands vm={vm} />}
      </div>
    </>
  );
}

function Xml({ vm }: { vm: VmView }) {
  const { data, error, again } = useGet<string>(`/vms/${vm.id}/definition`, true, vm.revision);
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  return data === undefined ? <Waiting /> : <Code text={data} label={names.xml} />;
}

function Commands({ vm }: { vm: VmView }) {
  const { spec } = vm;
  const hasTemplate = typeof spec.template === "string";
  const { data: template } = useGet<TemplateView>(`/templates/${spec.template ?? ""}`, hasTemplate);
  const { hardware } = spec;
  const create = line("vm create", [spec.name], {
    template: hasTemplate ? (template?.spec.name ?? spec.template ?? undefined) : undefined,
    empty: !hasTemplate,
    "disk-size": hasTemplate || hardware.disks?.[0] === undefined ? undefined : `${Math.ceil(hardware.disks[0].size_bytes / 1024 / 1024)}MiB`,
    cpus: hardware.cpus,
    memory: `${hardware.memory_mib}MiB`,
    network: hardware.adapters?.[0]?.network,
    notes: spec.notes,
    tag: spec.tags,
  });
  const rest = (hardware.disks ?? []).filter((disk) => disk.seed !== true).slice(1);
  const disks = rest.map((disk) => line("vm attach-disk", [spec.name], { size: `${Math.ceil(disk.size_bytes / 1024 / 1024)}MiB` }));
  return (
    <>
      <p>{names.commandHint}</p>
      <Code text={[create, ...disks].join("\n")} label={names.command} />
    </>
  );
}
