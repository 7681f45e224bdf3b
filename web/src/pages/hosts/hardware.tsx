import { Button, Progress, ProgressMeasureLocation, ProgressVariant, Stack, StackItem } from "@patternfly/react-core";
import { useGet } from "../../api/hooks.ts";
import type { HostView, Schemas } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Facts } from "../../parts/facts.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { bytes, mebibytes } from "../../parts/quantities.ts";
import { hostHardwareWords as names } from "../../words/host-hardware.ts";
import { HostNetworks } from "./networks.tsx";

type Adapter = Schemas["HostAdapter"];
type Disk = Schemas["PhysicalDisk"];
type FileSystem = Schemas["FileSystem"];
type Node = Schemas["NumaNode"];

/** From this on a file system is one that somebody should look after, in percent. */
const FULL = 90;

function linkOf(adapter: Adapter): string {
  if (adapter.up !== true) return names.noLink;
  return typeof adapter.mbit_s === "number" ? names.speed(adapter.mbit_s) : names.link;
}

const diskNotes = (disk: Disk): string =>
  [disk.rotates === true ? names.rotates : names.solid, disk.removable === true ? names.removable : "", disk.read_only === true ? names.readOnly : ""].filter((note) => note !== "").join(", ");

/** What a host is made of. */
export function HostHardwareTab({ host }: { host: HostView }) {
  const { hardware = {}, cpus = 0, cpu_model: model = "", memory_mib: memoryMib = 0 } = host.facts;
  const { sockets = 0, cores = 0, threads = 0, mhz = 0 } = hardware.processors ?? {};
  return (
    <Stack hasGutter>
      <StackItem>
        <Facts
          facts={[
            [names.processor, [cpus === 0 ? "" : `${cpus} ×`, model].join(" ").trim()],
            [names.topology, sockets === 0 ? undefined : names.topologyOf(sockets, cores, threads)],
            [names.clock, mhz === 0 ? undefined : names.megahertz(mhz)],
            [names.memory, mebibytes(memoryMib)],
            [names.security, (hardware.security ?? []).join(", ")],
          ]}
        />
      </StackItem>
      <StackItem>
        <PlainTable<Adapter>
          title={names.adapters}
          rows={hardware.adapters ?? []}
          keyOf={({ name = "" }) => name}
          columns={[
            { title: names.name, cell: ({ name }) => name },
            { title: names.kind, cell: ({ kind }) => names.kinds[kind ?? "other"] },
            { title: names.linkTitle, cell: linkOf },
            { title: names.partOf, cell: ({ part_of: partOf }) => partOf },
            { title: names.addresses, cell: ({ addresses }) => (addresses ?? []).join(", ") },
            { title: names.mac, cell: ({ mac }) => <span className="hostler-value">{mac}</span> },
            { title: names.mtu, cell: ({ mtu }) => mtu, isNumber: true },
          ]}
        />
      </StackItem>
      <StackItem>
        <HostNetworks host={host} />
      </StackItem>
      <StackItem>
        <FileSystems host={host} />
      </StackItem>
      <StackItem>
        <PlainTable<Disk>
          title={names.disks}
          rows={hardware.disks ?? []}
          keyOf={({ name = "" }) => name}
          columns={[
            { title: names.name, cell: ({ name }) => name },
            { title: names.size, cell: ({ size_bytes: size = 0 }) => bytes(size), isNumber: true },
            { title: names.kind, cell: diskNotes },
            { title: names.model, cell: ({ model: its }) => its },
          ]}
        />
      </StackItem>
      <StackItem>
        <PlainTable<Node>
          title={names.numa}
          rows={hardware.numa ?? []}
          keyOf={({ node = 0 }) => String(node)}
          columns={[
            { title: names.node, cell: ({ node }) => node },
            { title: names.memory, cell: ({ memory_mib: mib = 0 }) => mebibytes(mib), isNumber: true },
            { title: names.processors, cell: ({ cpus: list }) => list },
          ]}
        />
      </StackItem>
    </Stack>
  );
}

/** What is free changes at every moment: the host is asked when somebody looks. */
function FileSystems({ host }: { host: HostView }) {
  const { data, error, again } = useGet<FileSystem[]>(`/hosts/${host.id}/file-systems`, host.answers);
  if (!host.answers) return <p className="hostler-hint">{names.notAsked}</p>;
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  return (
    <>
      <PlainTable<FileSystem>
        title={names.fileSystems}
        rows={data}
        keyOf={({ path = "" }) => path}
        columns={[
          { title: names.path, cell: ({ path, has_machines: has }) => (has === true ? <>{path} <small>{names.hasMachines}</small></> : path) },
          { title: names.size, cell: ({ size_bytes: size = 0 }) => bytes(size), isNumber: true },
          { title: names.free, cell: ({ free_bytes: free = 0 }) => bytes(free), isNumber: true },
          { title: names.used, cell: Used },
          { title: names.type, cell: ({ kind, is_remote: remote, is_read_only: readOnly }) => [kind, remote === true ? names.remote : "", readOnly === true ? names.readOnly : ""].filter((word) => word !== "").join(", ") },
          { title: names.source, cell: ({ source }) => source },
        ]}
      />
      <Button variant="link" isInline onClick={again}>{names.askAgain}</Button>
    </>
  );
}

function Used({ path = "", size_bytes: size = 0, free_bytes: free = 0 }: FileSystem) {
  const percent = size === 0 ? 0 : Math.round((100 * (size - free)) / size);
  return (
    <Progress
      aria-label={names.usedOf(path)}
      value={percent}
      size="sm"
      measureLocation={ProgressMeasureLocation.outside}
      {...(percent >= FULL ? { variant: ProgressVariant.warning } : {})}
    />
  );
}
