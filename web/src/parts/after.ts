import { useEffect, useState } from "react";

/** True a moment after it became so, when what was drawn by then stands on the screen. */
export function useAfter(isReady: boolean): boolean {
  const [isAfter, setAfter] = useState(false);
  useEffect(() => {
    if (!isReady) return undefined;
    const timer = setTimeout(() => setAfter(true));
    return () => clearTimeout(timer);
  }, [isReady]);
  return isAfter;
}
