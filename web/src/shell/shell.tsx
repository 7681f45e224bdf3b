import { Alert, Page, SkipToContent } from "@patternfly/react-core";
import { Outlet, useRouter } from "@tanstack/react-router";
import { Suspense, useEffect } from "react";
import { useLostSince } from "../api/connection.ts";
import { useMe } from "../api/hooks.ts";
import { useSession } from "../api/session.ts";
import { Waiting } from "../parts/live-table.tsx";
import { Time } from "../parts/time.tsx";
import { words } from "../words/en.ts";
import { TopBar } from "./masthead.tsx";
import { Navigation } from "./navigation.tsx";
import { Toasts } from "./toasts.tsx";

const main = "hostler-main";

/** Leads to the sign-in and back whenever nobody is signed in. Whether somebody is, as far as is known. */
export function useSignInWhenOut(): boolean {
  const session = useSession();
  const router = useRouter();
  useEffect(() => {
    // The address is read at that moment, not followed: on the way to the sign-in it is already another one.
    const { href, pathname } = router.latestLocation;
    if (session !== "out" || pathname === "/sign-in") return;
    void router.navigate({ to: "/sign-in", search: href === "/" ? {} : { to: href }, replace: true });
  }, [session, router]);
  return session !== "out";
}

/** Everything around a page, for somebody who is signed in. */
export function Shell() {
  const me = useMe();
  const isIn = useSignInWhenOut();
  if (!isIn) return null;
  return (
    <Toasts>
      <Page
        masthead={<TopBar me={me} />}
        sidebar={<Navigation />}
        isManagedSidebar
        mainContainerId={main}
        skipToContent={<SkipToContent href={`#${main}`}>{words.nav.skip}</SkipToContent>}
      >
        <ConnectionBanner />
        {me === undefined ? (
          <Waiting />
        ) : (
          <Suspense fallback={<Waiting />}>
            <Outlet />
          </Suspense>
        )}
      </Page>
    </Toasts>
  );
}

/** Says that what is seen may be old, and since when. It goes by itself. */
function ConnectionBanner() {
  const since = useLostSince();
  if (since === undefined) return null;
  const at = new Date(since).toISOString();
  return (
    <Alert isInline isLiveRegion variant="warning" title={words.connection.lost}>
      {words.connection.lostBody} ({words.connection.since} <Time at={at} />)
    </Alert>
  );
}
