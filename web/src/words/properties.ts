import { bytes, mebibytes } from "../parts/quantities.ts";

/** What the properties of things are called, by the last words of their path. Longer ones first. */
const names: Record<string, string> = {
  "": "Everything",
  observed: "Seen on its host",
  "spec.name": "Name",
  "spec.notes": "Notes",
  "spec.vm_path": "Folder of new machines",
  "spec.tags": "Tags",
  "spec.owner": "Owner",
  "spec.template": "Template",
  "spec.available": "Takes new machines",
  "spec.maintenance": "In maintenance",
  "spec.reserve.cpu_percent": "Processor kept for the host",
  "spec.reserve.memory_mib": "Memory kept for the host",
  "spec.reserve.disk_mib": "Disk kept for the host",
  "spec.reserve.disk_operations_per_s": "Disk operations kept for the host",
  "spec.reserve.network_percent": "Network kept for the host",
  "reserve.cpu_percent": "Processor kept for each host",
  "reserve.memory_mib": "Memory kept for each host",
  "reserve.disk_mib": "Disk kept for each host",
  "reserve.disk_operations_per_s": "Disk operations kept for each host",
  "reserve.network_percent": "Network kept for each host",
  unencrypted_transfers: "Unencrypted transfers",
  group: "Host group",
  parent: "In the group",
  "spec.hardware.cpus": "Processors",
  "spec.hardware.memory_mib": "Memory",
  "spec.hardware.firmware": "Firmware",
  "spec.hardware.dvd": "DVD",
  "spec.cpus": "Processors",
  "spec.memory_mib": "Memory",
  "spec.disk": "Disk",
  "spec.deploy": "Transfer",
  "spec.firmware": "Firmware",
  "observed.seen.power": "Seen: power",
  "observed.seen.guest_agent": "Seen: guest agent",
  "observed.seen.cpus": "Seen: processors",
  "observed.seen.memory_mib": "Seen: memory",
  "observed.seen.name": "Seen: name in libvirt",
  "observed.seen.autostart": "Seen: started by libvirt with the host",
  "observed.seen.snapshots": "Seen: snapshots of libvirt",
  "observed.gone": "Seen: gone from its host",
  "facts.host_name": "Computer's name",
  "facts.cpu_model": "Processor's model",
  "facts.vm_folder": "Machines' folder",
  "facts.base_folder": "Bases' folder",
  "facts.boot_id": "Boot",
  "facts.adapter_vlans": "VLANs of machines' adapters",
  "facts.spoofing_filter": "Spoofing filter",
  "facts.kvm": "Hardware virtualization",
  "facts.libvirt_answers": "libvirt answers",
  name: "Name",
  role: "Role",
  disabled: "Shut out",
  host: "Host",
  domain: "Domain in libvirt",
  phase: "Phase",
  origin: "Origin",
  presence: "Presence",
};

const numbered: Record<string, string> = { disks: "Disk", adapters: "Adapter", detached: "Detached disk", networks: "Network" };

/** A property as people call it. */
export function propertyName(path: string): string {
  const known = names[path];
  if (known !== undefined) return known;
  const parts = path.split(".").filter((part) => part !== "spec" && part !== "hardware" && part !== "is");
  const seen = parts[0] === "observed" ? "Seen: " : "";
  const rest = parts.filter((part) => !["observed", "seen", "facts"].includes(part));
  const said: string[] = [];
  for (let at = 0; at < rest.length; at += 1) {
    const part = rest[at] ?? "";
    const next = rest[at + 1] ?? "";
    if (numbered[part] !== undefined && /^\d+$/u.test(next)) {
      said.push(`${numbered[part]} ${next}`);
      at += 1;
    } else {
      said.push(part.replaceAll(/_(mib|bytes|s|ms)$/gu, "").replaceAll("_", " "));
    }
  }
  const text = said.join(", ");
  return seen + (seen === "" ? text.charAt(0).toUpperCase() + text.slice(1) : text);
}

/** A value with its unit, where its property says that it has one. */
export function propertyValue(path: string, value: string): string {
  if (value === "") return "none";
  if (/^\d+$/u.test(value)) {
    if (/_mib$/u.test(path)) return mebibytes(Number(value));
    if (/_bytes$/u.test(path)) return bytes(Number(value));
    if (/_percent$/u.test(path)) return `${value} %`;
  }
  if (value === "true") return "yes";
  return value === "false" ? "no" : value;
}
