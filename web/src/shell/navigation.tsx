import { Nav, NavItem, NavList, PageSidebar, PageSidebarBody } from "@patternfly/react-core";
import { Link, useLocation } from "@tanstack/react-router";
import { words } from "../words/en.ts";

/** Only what exists. */
export const places = [
  { to: "/", title: words.nav.overview },
  { to: "/machines", title: words.nav.machines },
  { to: "/hosts", title: words.nav.hosts },
  { to: "/library", title: words.nav.library },
  { to: "/jobs", title: words.nav.jobs },
  { to: "/administration", title: words.nav.administration },
] as const;

export function Navigation() {
  const { pathname } = useLocation();
  const isHere = (to: string): boolean => (to === "/" ? pathname === "/" : pathname === to || pathname.startsWith(`${to}/`));
  return (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label={words.nav.label}>
          <NavList>
            {places.map(({ to, title }) => (
              <NavItem key={to} isActive={isHere(to)}>
                <Link to={to} {...(isHere(to) ? { "aria-current": "page" as const } : {})}>{title}</Link>
              </NavItem>
            ))}
          </NavList>
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
}
