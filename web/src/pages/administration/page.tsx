import { PageSection } from "@patternfly/react-core";
import { PageHead } from "../../parts/page-head.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { administrationWords } from "../../words/hosts.ts";
import { refresherWords } from "../../words/refreshers.ts";
import { About } from "./about.tsx";
import { Agents } from "./agents.tsx";
import { Backup } from "./backup.tsx";
import { Refreshers } from "./refreshers.tsx";
import { SettingsForm } from "./settings.tsx";
import { Tokens } from "./tokens.tsx";
import { Users } from "./users.tsx";

const { tabs } = administrationWords;

export function AdministrationPage() {
  const view = useView();
  return (
    <>
      <PageHead title={administrationWords.title} />
      <PageSection isFilled>
        <UrlTabs
          label={administrationWords.title}
          view={view}
          tabs={[
            { key: "users", title: tabs.users, body: () => <Users /> },
            { key: "tokens", title: tabs.tokens, body: () => <Tokens /> },
            { key: "agents", title: tabs.agents, body: () => <Agents /> },
            { key: "refreshers", title: refresherWords.tab, body: () => <Refreshers /> },
            { key: "settings", title: tabs.settings, body: () => <SettingsForm /> },
            { key: "backup", title: tabs.backup, body: () => <Backup /> },
            { key: "about", title: tabs.about, body: () => <About /> },
          ]}
        />
      </PageSection>
    </>
  );
}
