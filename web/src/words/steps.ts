/** How a step of a job stands. */
export const stepStateWords: Record<string, string> = {
  held: "Held",
  waits: "Waits",
  out: "Under way",
  revoking: "Being revoked",
  done: "Done",
  failed: "Failed",
  revoked: "Revoked",
  "in-doubt": "In doubt",
  undoing: "Being undone",
  "undo-waits": "Waits to be undone",
  undone: "Undone",
  kept: "Kept",
};
