import { Nav, NavItem, NavList, PageSidebar, PageSidebarBody } from "@patternfly/react-core";
import { BookOpenIcon } from "@patternfly/react-icons/dist/esm/icons/book-open-icon";
import { CogIcon } from "@patternfly/react-icons/dist/esm/icons/cog-icon";
import { ListIcon } from "@patternfly/react-icons/dist/esm/icons/list-icon";
import { NetworkIcon } from "@patternfly/react-icons/dist/esm/icons/network-icon";
import { ServerIcon } from "@patternfly/react-icons/dist/esm/icons/server-icon";
import { TachometerAltIcon } from "@patternfly/react-icons/dist/esm/icons/tachometer-alt-icon";
import { VirtualMachineIcon } from "@patternfly/react-icons/dist/esm/icons/virtual-machine-icon";
import { Link, useLocation } from "@tanstack/react-router";
import { words } from "../words/en.ts";

/** Only what exists. */
export const places = [
  { to: "/", title: words.nav.overview, icon: <TachometerAltIcon /> },
  { to: "/machines", title: words.nav.machines, icon: <VirtualMachineIcon /> },
  { to: "/hosts", title: words.nav.hosts, icon: <ServerIcon /> },
  { to: "/library", title: words.nav.library, icon: <BookOpenIcon /> },
  { to: "/networking", title: words.nav.networking, icon: <NetworkIcon /> },
  { to: "/jobs", title: words.nav.jobs, icon: <ListIcon /> },
  { to: "/administration", title: words.nav.administration, icon: <CogIcon /> },
] as const;

export function Navigation() {
  const { pathname } = useLocation();
  const isHere = (to: string): boolean => (to === "/" ? pathname === "/" : pathname === to || pathname.startsWith(`${to}/`));
  return (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label={words.nav.label}>
          <NavList>
            {places.map(({ to, title, icon }) => (
              <NavItem key={to} isActive={isHere(to)}>
                <Link to={to} {...(isHere(to) ? { "aria-current": "page" as const } : {})}>
                  <span className="pf-v6-c-nav__link-icon">{icon}</span>
                  <span className="pf-v6-c-nav__link-text">{title}</span>
                </Link>
              </NavItem>
            ))}
          </NavList>
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
}
