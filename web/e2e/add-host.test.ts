import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { open, signIn, visitor, type Setting, type Visitor } from "./setting.ts";

// A computer is added by SSH, as far as a wrong password goes: a real sshd on this very computer, which has a host already.

const folder = mkdtempSync(join(tmpdir(), "hostler-sshd-"));
const key = join(folder, "host-key");
let setting: Setting;
let one: Visitor;
let sshd: ChildProcess;
let port: number;

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => resolve(free));
    });
  });
}

before(async () => {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  mkdirSync("/run/sshd", { recursive: true });
  port = await freePort();
  const options = ["UsePAM=no", "PasswordAuthentication=yes", "PermitRootLogin=yes", "AuthorizedKeysFile=none", "PidFile=none"];
  sshd = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", "/dev/null", "-h", key, "-o", "ListenAddress=127.0.0.1", "-p", String(port), ...options.flatMap((option) => ["-o", option])], { stdio: "ignore" });
  setting = await open();
  one = await visitor(setting);
  await signIn(one, "/hosts");
});

after(async () => {
  sshd.kill();
  rmSync(folder, { recursive: true, force: true });
  await setting.stop();
});

test("a computer shows its host key before anything secret is asked for, and a wrong password is said in words", async () => {
  const { page } = one;
  await page.getByRole("button", { name: "Add host", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Add host" });
  await dialog.getByRole("textbox", { name: "Name or address" }).fill("127.0.0.1");
  await dialog.getByLabel("SSH port").fill(String(port));
  assert.equal(await dialog.getByLabel(/^Password/u).count(), 0);
  await dialog.getByRole("button", { name: "Show its host keys" }).click();
  const fingerprint = execFileSync("ssh-keygen", ["-lf", `${key}.pub`], { encoding: "utf8" }).split(" ")[1]!;
  await dialog.getByRole("radio", { name: fingerprint }).check();
  await dialog.getByLabel(/^Password/u).fill("not the password");
  await dialog.getByRole("textbox", { name: "Name here" }).fill("story-host");
  await dialog.getByRole("combobox", { name: "Host group" }).selectOption("/All Hosts");
  const add = dialog.getByRole("button", { name: "Add", exact: true });
  assert.equal(await add.isEnabled(), true);
  await dialog.getByRole("button", { name: "Show as command and REST call" }).click();
  const shown = await dialog.getByRole("textbox", { name: "Command line" }).inputValue();
  assert.match(shown, new RegExp(`^hostler host add 127\\.0\\.0\\.1 --port ${port} --user root `, "u"));
  assert.ok(!shown.includes("not the password"));
  const lasts = async (option: string): Promise<void> => assert.ok((await dialog.getByRole("textbox", { name: "Command line" }).inputValue()).endsWith(option));
  await lasts(" --group '/All Hosts'");
  await dialog.getByRole("checkbox", { name: "It runs machines" }).uncheck();
  assert.equal(await add.isEnabled(), false);
  await dialog.getByRole("checkbox", { name: "It serves library shares" }).check();
  await lasts(" --name story-host --library --no-host");
  assert.equal(await add.isEnabled(), true);
  await dialog.getByRole("checkbox", { name: "It runs machines" }).check();
  await dialog.getByRole("checkbox", { name: "It serves library shares" }).uncheck();
  await add.click();
  await page.getByText(/: failed, undone/u).waitFor();
  await page.goto("/jobs?filter=kind%3Dadd-host");
  await page.getByRole("main").getByRole("link").first().click();
  await page.getByText("ssh.sign.in.failed").first().waitFor();
  await page.goto("/hosts");
  await page.getByRole("heading", { level: 1, name: "Hosts" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "story-host" }).count(), 0);
});
