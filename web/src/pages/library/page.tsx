import { PageSection } from "@patternfly/react-core";
import { PageHead } from "../../parts/page-head.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { libraryWords } from "../../words/hosts.ts";
import { Items } from "./items.tsx";
import { Shares } from "./shares.tsx";
import { Templates } from "./templates.tsx";

export function LibraryPage() {
  const view = useView();
  return (
    <>
      <PageHead title={libraryWords.title} />
      <PageSection isFilled>
        <UrlTabs
          label={libraryWords.title}
          view={view}
          tabs={[
            { key: "templates", title: libraryWords.tabs.templates, body: () => <Templates /> },
            { key: "items", title: libraryWords.tabs.items, body: () => <Items /> },
            { key: "shares", title: libraryWords.tabs.shares, body: () => <Shares /> },
          ]}
        />
      </PageSection>
    </>
  );
}
