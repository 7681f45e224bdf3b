import { PageSection } from "@patternfly/react-core";
import { PageHead } from "../../parts/page-head.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { libraryWords } from "../../words/hosts.ts";
import { Items } from "./items.tsx";
import { Shares } from "./shares.tsx";
import { Templates } from "./templates.tsx";
import { Uploads, useUploading } from "./uploads.tsx";

export function LibraryPage() {
  const view = useView();
  const { button, dialog, onDrop, onDragOver } = useUploading();
  return (
    <div onDrop={onDrop} onDragOver={onDragOver}>
      <PageHead title={libraryWords.title} actions={button} />
      <PageSection isFilled>
        <Uploads />
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
      {dialog}
    </div>
  );
}
