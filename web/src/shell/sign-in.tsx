import { ActionGroup, Alert, Button, Card, CardBody, Form, Title } from "@patternfly/react-core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState, type SubmitEvent } from "react";
import { send } from "../api/client.ts";
import { queries } from "../api/queries.ts";
import { refusalOf, type Refusal } from "../api/refusal.ts";
import { signedIn } from "../api/session.ts";
import { TextField } from "../forms/fields.tsx";
import { ErrorBox } from "../parts/error-box.tsx";
import { words } from "../words/en.ts";

/** Only addresses of the console itself: a link must not send people elsewhere after they signed in. */
function inside(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])/u.test(to) ? to : "/";
}

export function SignIn() {
  const { to } = useSearch({ from: "__root__" });
  const navigate = useNavigate();
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = words.signIn.title;
  }, []);
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setRefusal(undefined);
    try {
      await send({ method: "POST", path: "/sign-in", body: { user, password, cookie: true } });
      queries.clear();
      signedIn();
      await navigate({ href: inside(to), replace: true });
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
      setBusy(false);
    }
  };
  return (
    <main className="hostler-sign-in">
      <Card>
        <CardBody>
          <Title headingLevel="h1" size="2xl">{words.signIn.title}</Title>
          {to !== undefined && refusal === undefined && <Alert isInline isPlain variant="info" title={words.signIn.again} />}
          <Form onSubmit={onSubmit}>
            <TextField id="user" label={words.signIn.user} value={user} onChange={setUser} isRequired autoComplete="username" />
            <TextField id="password" type="password" label={words.signIn.password} value={password} onChange={setPassword} isRequired autoComplete="current-password" />
            {refusal !== undefined && <ErrorBox refusal={refusal} />}
            <ActionGroup>
              <Button type="submit" isBlock isDisabled={isBusy} isLoading={isBusy}>{words.signIn.submit}</Button>
            </ActionGroup>
          </Form>
          <p className="hostler-hint">{words.signIn.hint}</p>
        </CardBody>
      </Card>
    </main>
  );
}
