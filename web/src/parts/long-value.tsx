/** Longer than this is folded: most of it says nothing to most people. */
const LONG = 120;

/** A value as it is; a long one folded behind its beginning. */
export function LongValue({ text }: { text: string }) {
  if (text.length <= LONG) return text;
  return (
    <details className="hostler-long">
      <summary>{`${text.slice(0, LONG / 2)}…`}</summary>
      {text}
    </details>
  );
}
