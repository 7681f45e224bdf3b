import { Breadcrumb, BreadcrumbItem, PageSection, Title } from "@patternfly/react-core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { useEffect, type ReactNode } from "react";
import { words } from "../words/en.ts";

/** The head of a page: where it belongs, what it is about, how that is, and what can be done. */
export function PageHead({ title, parent, status, actions, children }: {
  title: string;
  parent?: { title: string; to: NonNullable<LinkProps["to"]> };
  status?: ReactNode;
  actions?: ReactNode;
  children?: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · ${words.product}`;
  }, [title]);
  return (
    <PageSection className="hostler-head">
      {parent !== undefined && (
        <Breadcrumb>
          <BreadcrumbItem render={({ className }) => <Link to={parent.to} className={className}>{parent.title}</Link>} />
          <BreadcrumbItem isActive>{title}</BreadcrumbItem>
        </Breadcrumb>
      )}
      <div className="hostler-title">
        <Title headingLevel="h1">{title}</Title>
        {status}
        <div className="hostler-actions">{actions}</div>
      </div>
      {children}
    </PageSection>
  );
}
