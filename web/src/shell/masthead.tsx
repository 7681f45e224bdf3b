import { Button, Masthead, MastheadBrand, MastheadContent, MastheadMain, MastheadToggle, PageToggleButton, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem } from "@patternfly/react-core";
import { AdjustIcon } from "@patternfly/react-icons/dist/esm/icons/adjust-icon";
import { BarsIcon } from "@patternfly/react-icons/dist/esm/icons/bars-icon";
import { SearchIcon } from "@patternfly/react-icons/dist/esm/icons/search-icon";
import { UserIcon } from "@patternfly/react-icons/dist/esm/icons/user-icon";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { send } from "../api/client.ts";
import { queries } from "../api/queries.ts";
import { signedOut } from "../api/session.ts";
import { forgetSources } from "../api/sources.ts";
import type { UserView } from "../api/types.ts";
import { forgetUploads } from "../api/uploads.ts";
import { forgetDrafts } from "../forms/draft.ts";
import { Menu } from "../parts/menu.tsx";
import { words } from "../words/en.ts";
import { Help } from "./help.tsx";
import { JobsTray } from "./jobs-tray.tsx";
import { UploadsTray } from "./uploads-tray.tsx";
import { setLook, useLook, type Theme } from "./theme.ts";

// Read when somebody asks for it: most visits need neither.
const Palette = lazy(async () => ({ default: (await import("./palette.tsx")).Palette }));
const PasswordForm = lazy(async () => ({ default: (await import("../forms/password.tsx")).PasswordForm }));

export function TopBar({ me }: { me: UserView | undefined }) {
  const [isSearching, setSearching] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setSearching(true);
    };
    // Before anybody on the page can keep the key to itself.
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, []);
  return (
    <Masthead>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton variant="plain" aria-label={words.nav.toggle} icon={<BarsIcon />} />
        </MastheadToggle>
        <MastheadBrand>
          <Link to="/" className="hostler-brand">{words.product}</Link>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <Toolbar isStatic>
          <ToolbarContent>
            <ToolbarGroup align={{ default: "alignEnd" }} gap={{ default: "gapSm" }}>
              <ToolbarItem>
                <Button variant="secondary" icon={<SearchIcon />} aria-label={`${words.palette.open} Ctrl K`} onClick={() => setSearching(true)}>
                  <span className="hostler-wide">{words.palette.open} <kbd>Ctrl K</kbd></span>
                </Button>
              </ToolbarItem>
              <ToolbarItem>{me !== undefined && <UploadsTray />}</ToolbarItem>
              <ToolbarItem>{me !== undefined && <JobsTray />}</ToolbarItem>
              {import.meta.env.VITE_DOCS === true && (
                <ToolbarItem>
                  <Help />
                </ToolbarItem>
              )}
              <ToolbarItem>
                <ThemeMenu />
              </ToolbarItem>
              <ToolbarItem>
                <AccountMenu me={me} />
              </ToolbarItem>
            </ToolbarGroup>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
      {isSearching && (
        <Suspense fallback={null}>
          <Palette onClose={() => setSearching(false)} />
        </Suspense>
      )}
    </Masthead>
  );
}

function ThemeMenu() {
  const look = useLook();
  const themes: [Theme, string][] = [
    ["system", words.theme.system],
    ["light", words.theme.light],
    ["dark", words.theme.dark],
  ];
  return (
    <Menu
      label={words.theme.menu}
      variant="plain"
      toggle={<AdjustIcon />}
      stays
      choices={[
        ...themes.map(([theme, label]) => ({ key: theme, label, isSelected: look.theme === theme, onChoose: () => setLook({ theme }) })),
        { key: "contrast", label: words.theme.contrast, isSelected: look.contrast, onChoose: () => setLook({ contrast: !look.contrast }) },
      ]}
    />
  );
}

function AccountMenu({ me }: { me: UserView | undefined }) {
  const [isChanging, setChanging] = useState(false);
  const signOut = async (): Promise<void> => {
    // Whatever the answer is, this browser has done with it: a session that is gone already is no failure.
    await send({ method: "POST", path: "/sign-out" }).catch(() => undefined);
    queries.clear();
    forgetSources();
    forgetUploads();
    forgetDrafts();
    signedOut();
  };
  return (
    <>
      <Menu
        label={`${words.account.menu} ${me?.name ?? ""}`.trim()}
        variant="plainText"
        icon={<UserIcon />}
        toggle={<span className="hostler-wide">{me?.name ?? ""}</span>}
        choices={[
          { key: "password", label: words.account.changePassword, onChoose: () => setChanging(true) },
          { key: "out", label: words.account.signOut, onChoose: () => void signOut() },
        ]}
      />
      {isChanging && (
        <Suspense fallback={null}>
          <PasswordForm onClose={() => setChanging(false)} />
        </Suspense>
      )}
    </>
  );
}
