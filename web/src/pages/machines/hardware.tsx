import { Stack, StackItem, Title } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useState, type ReactNode } from "react";
import { useReasons } from "../../actions/vm.ts";
import { useMayChange } from "../../api/hooks.ts";
import type { Schemas, VmView } from "../../api/types.ts";
import { AttachDiskForm, DetachDiskForm, DvdForm, HardwareForm, ReattachDiskForm } from "../../forms/vm-hardware.tsx";
import { Facts } from "../../parts/facts.tsx";
import { PossibleButton } from "../../parts/possible-button.tsx";
import { bytes, mebibytes } from "../../parts/quantities.ts";
import { machineWords } from "../../words/machines.ts";

const names = machineWords.hardware;

type Open = { form: "hardware" | "attach" | "dvd" } | { form: "detach" | "reattach"; disk: Schemas["Disk"] };

/** What a machine is made of, and how to change it. */
export function HardwareTab({ vm }: { vm: VmView }) {
  const { hardware } = vm.spec;
  const mayChange = useMayChange();
  const reasons = useReasons();
  const [open, setOpen] = useState<Open | undefined>();
  const close = (): void => setOpen(undefined);
  const button = (label: string, action: string, form: Open): ReactNode =>
    mayChange && <PossibleButton label={label} reason={reasons(vm.status, action)} onClick={() => setOpen(form)} />;
  const disks = hardware.disks ?? [];
  const detached = vm.spec.detached ?? [];
  const adapters = hardware.adapters ?? [];
  return (
    <Stack hasGutter>
      <StackItem>
        <Facts
          facts={[
            [names.cpus, hardware.cpus],
            [names.memory, mebibytes(hardware.memory_mib)],
            [machineWords.facts.firmware, (hardware.firmware ?? "bios").toUpperCase()],
            [names.dvd, hardware.dvd?.file ?? names.dvdEmpty],
          ]}
        />
        <div className="hostler-row">
          {button(names.open, "set-hardware", { form: "hardware" })}
          {button(names.dvdChange, "set-media", { form: "dvd" })}
        </div>
      </StackItem>
      <StackItem>
        <Title headingLevel="h2" size="lg">{names.disks}</Title>
        {disks.length === 0 ? (
          <p>{names.noDisks}</p>
        ) : (
          <Table aria-label={names.disks} variant="compact">
            <Thead>
              <Tr>
                {[names.number, names.size, names.format, names.bus, names.file].map((title) => (
                  <Th key={title}>{title}</Th>
                ))}
                <Th screenReaderText={names.actions} />
              </Tr>
            </Thead>
            <Tbody>
              {disks.map((disk) => (
                <Tr key={disk.no}>
                  <Td dataLabel={names.number}>{disk.no}</Td>
                  <Td dataLabel={names.size}>{bytes(disk.size_bytes)}</Td>
                  <Td dataLabel={names.format}>{disk.format}</Td>
                  <Td dataLabel={names.bus}>{disk.bus ?? "virtio"}</Td>
                  <Td dataLabel={names.file} className="hostler-value">{disk.file}</Td>
                  <Td>{button(names.detach, "detach-disk", { form: "detach", disk })}</Td>
                </Tr>
              ))}
            </Tbody>
          </Table>
        )}
        {button(names.attach, "attach-disk", { form: "attach" })}
        {detached.length > 0 && (
          <>
            <Title headingLevel="h3" size="md">{names.detached}</Title>
            <p className="hostler-hint">{names.detachedHint}</p>
            <ul className="hostler-lines">
              {detached.map((disk) => (
                <li key={disk.no}>
                  <span>{disk.no}</span>
                  <span className="hostler-value">{disk.file}</span>
                  <span>{button(names.attachAgain, "attach-disk", { form: "reattach", disk })}</span>
                </li>
              ))}
            </ul>
          </>
        )}
      </StackItem>
      <StackItem>
        <Title headingLevel="h2" size="lg">{names.adapters}</Title>
        {adapters.length === 0 ? (
          <p>{names.noAdapters}</p>
        ) : (
          <Table aria-label={names.adapters} variant="compact">
            <Thead>
              <Tr>
                <Th>{names.number}</Th>
                <Th>{names.mac}</Th>
                <Th>{names.network}</Th>
              </Tr>
            </Thead>
            <Tbody>
              {adapters.map((adapter) => (
                <Tr key={adapter.no}>
                  <Td dataLabel={names.number}>{adapter.no}</Td>
                  <Td dataLabel={names.mac} className="hostler-value">{adapter.mac}</Td>
                  <Td dataLabel={names.network}>{[adapter.network, ...(typeof adapter.vlan === "number" ? [`VLAN ${adapter.vlan}`] : []), ...(adapter.spoofing_filter === true ? [names.noSpoofing] : [])].join(", ")}</Td>
                </Tr>
              ))}
            </Tbody>
          </Table>
        )}
      </StackItem>
      {open?.form === "hardware" && <HardwareForm vm={vm} onClose={close} />}
      {open?.form === "attach" && <AttachDiskForm vm={vm} onClose={close} />}
      {open?.form === "dvd" && <DvdForm vm={vm} onClose={close} />}
      {open?.form === "reattach" && <ReattachDiskForm vm={vm} disk={open.disk} onClose={close} />}
      {open?.form === "detach" && <DetachDiskForm vm={vm} disk={open.disk} onClose={close} />}
    </Stack>
  );
}
