import { Tab, Tabs, TabTitleText } from "@patternfly/react-core";
import type { ReactNode } from "react";
import type { View } from "./view.ts";

/** Tabs whose choice is in the address. Only the chosen one is drawn. */
export function UrlTabs({ label, view, tabs }: { label: string; view: View; tabs: { key: string; title: string; body: () => ReactNode }[] }) {
  const chosen = tabs.find((tab) => tab.key === view.search.tab) ?? tabs[0];
  return (
    <>
      <Tabs
        aria-label={label}
        activeKey={chosen?.key ?? ""}
        onSelect={(_, key) => view.set({ tab: key === tabs[0]?.key ? undefined : String(key), filter: undefined, sort: undefined, page: undefined, show: undefined, columns: undefined, picked: undefined })}
      >
        {tabs.map((tab) => (
          <Tab key={tab.key} eventKey={tab.key} title={<TabTitleText>{tab.title}</TabTitleText>} tabContentId={`tab-${tab.key}`} />
        ))}
      </Tabs>
      <section className="hostler-tab" id={`tab-${chosen?.key ?? ""}`} role="tabpanel" aria-label={chosen?.title} tabIndex={0}>
        {chosen?.body()}
      </section>
    </>
  );
}
