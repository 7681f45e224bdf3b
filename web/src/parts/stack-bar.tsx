/** A part of a bar: how wide it is, in percent, and what it stands for. */
export interface Part {
  percent: number;
  is: "used" | "kept";
}

/** One bar with parts after each other; what is left is free. `label` says all of it. */
export function StackBar({ parts, label, isFull = false }: { parts: readonly Part[]; label: string; isFull?: boolean }) {
  return (
    <span className={`hostler-stack${isFull ? " is-full" : ""}`} role="img" aria-label={label} title={label}>
      {parts.map(({ percent, is }) => (
        <span key={is} className={`is-${is}`} style={{ width: `${Math.max(0, percent)}%` }} />
      ))}
    </span>
  );
}
