import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { useWhileSeen } from "../../api/looking.ts";
import { RefusalError, refusalFrom } from "../../api/refusal.ts";
import { signedOut } from "../../api/session.ts";
import type { VmView } from "../../api/types.ts";
import { screenWords } from "../../words/looks.ts";

/** At most one picture a second, and the next one only when the last is there. */
const NEXT_MS = 1_000;
/** Where it was refused: the machine shows nothing just now, or its host does not answer. */
const LATER_MS = 5_000;
const WIDTH = 480;
const screens: ReadonlySet<VmView["status"]> = new Set<VmView["status"]>(["running", "paused", "paused-storage-full", "paused-storage-failing", "paused-busy", "shutting-down", "suspended", "resetting", "pausing", "resuming", "saving", "turning-off"]);

/** Whether a machine in this status has a screen at all. */
export const hasScreenIn = (status: VmView["status"]): boolean => screens.has(status);

/** What a machine shows on its screen now, small: a way into its console. */
export function Screen({ vm }: { vm: VmView }) {
  const place = useRef<HTMLCanvasElement>(null);
  const [state, setState] = useState<{ is: "waiting" | "shown" } | { is: "none"; why: string }>({ is: "waiting" });
  const hasScreen = hasScreenIn(vm.status);
  const lastTag = useRef<string | null>(null);
  useWhileSeen(`${vm.id} ${hasScreen}`, async (signal) => {
    if (!hasScreen) return 0;
    try {
      // The browser's own store asks with the last ETag: a screen that stands still costs a few bytes.
      const response = await fetch(`/api/v1/vms/${vm.id}/screenshot?width=${WIDTH}`, { signal, cache: "no-cache" });
      if (response.status === 401) signedOut();
      if (!response.ok) throw new RefusalError(refusalFrom(await response.json().catch(() => undefined), response.status), response.status);
      const tag = response.headers.get("etag");
      const isSame = tag !== null && tag === lastTag.current;
      const picture = await response.blob();
      if (!isSame) {
        const bitmap = await createImageBitmap(picture);
        draw(place.current, bitmap);
        bitmap.close();
        lastTag.current = tag;
      }
      setState((before) => (before.is === "shown" ? before : { is: "shown" }));
      return NEXT_MS;
    } catch (thrown) {
      if (!signal.aborted && thrown instanceof RefusalError) setState({ is: "none", why: thrown.refusal.cause });
      return LATER_MS;
    }
  });
  const hint = !hasScreen ? screenWords.off : state.is === "none" ? state.why : state.is === "waiting" ? screenWords.waiting : undefined;
  return (
    <Link to="/machines/$vm" params={{ vm: vm.id }} search={{ tab: "console" }} className="hostler-screen" aria-label={screenWords.open(vm.spec.name)}>
      <canvas ref={place} width={WIDTH} height={(WIDTH * 3) / 4} hidden={hint !== undefined} role="img" aria-label={screenWords.of(vm.spec.name)} />
      {hint !== undefined && <span>{hint}</span>}
    </Link>
  );
}

function draw(canvas: HTMLCanvasElement | null, bitmap: ImageBitmap): void {
  if (canvas === null) return;
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
}
