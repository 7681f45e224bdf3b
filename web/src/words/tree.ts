export const treeWords = {
  title: "Tree of hosts",
  all: "All hosts",
  find: "Find a host",
  show: "Show the tree of hosts",
  hide: "Hide the tree of hosts",
  more: (n: number) => `${n.toLocaleString()} more: type a part of the name.`,
  troubles: "machines in trouble",
  health: { well: "Well:", quiet: "Not available:", troubled: "In trouble:", down: "Not responding:" },
} as const;
