/** Words of pictures and curves: thumbnails, sparklines, the tab Performance. */
export const performanceWords = {
  tab: "Performance",
  ranges: { "1h": "1 hour", "6h": "6 hours", "24h": "24 hours" },
  range: "Range",
  charts: { processor: "Processor", memory: "Memory", disk: "Disk", network: "Network" },
  lines: {
    processor_percent: "Processor",
    memory_mib: "Memory",
    disk_read_bytes_s: "Read",
    disk_write_bytes_s: "Written",
    net_in_bytes_s: "Received",
    net_out_bytes_s: "Sent",
  },
  /** What a curve says to somebody who does not see it. */
  summary: (name: string, now: string, most: string, range: string) => `${name}: ${now} now, at most ${most} in ${range}`,
  unknown: (name: string) => `${name}: not known`,
  nothing: "Nothing is known of this time.",
  none: "not known",
  now: "now",
  ago: (range: string) => `${range} ago`,
  hint: "Point at a curve, or choose it and use the arrow keys, for exact values.",
  table: "The same as a table",
  time: "Time",
  curveKeys: (name: string) => `${name}, a curve: arrow keys go from value to value`,
} as const;

export const screenWords = {
  open: (name: string) => `Open the console of ${name}`,
  of: (name: string) => `Screen of ${name}`,
  off: "It shows no screen while it is off.",
  waiting: "Asking for its screen",
} as const;
