import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusalError } from "../api/refusal.ts";
import { patchOf, stateOf, viewNamed } from "./view-state.ts";
import { asNew, carryOver, mended } from "./views-kept-here.ts";

const PLACE = "hostler.views.vms";

/** A browser that keeps this text, and a server that takes a view or throws. */
function browser(text: string | null, answer: (name: string) => void = () => undefined) {
  let kept = text;
  const saved: string[] = [];
  return {
    saved,
    kept: () => kept,
    carrier: {
      storage: {
        getItem: (key: string) => (key === PLACE ? kept : null),
        setItem: (_: string, next: string) => {
          kept = next;
        },
        removeItem: () => {
          kept = null;
        },
      },
      save: ({ name, state }: { name: string; state: string }) => {
        answer(name);
        saved.push(`${name}: ${state}`);
        return Promise.resolve();
      },
    },
  };
}

const refused = (status: number): RefusalError => new RefusalError({ code: "value.invalid", object: "view", cause: "50 are saved" }, status);
const two = JSON.stringify({ Shop: { filter: "tags=shop" }, Big: { sort: "-memory_mib", per: "100" } });

test("a view says how a list is laid out, and nothing of the moment", () => {
  const state = stateOf({ filter: "name~web*,tags=a b", sort: "-memory_mib", columns: "name,host", per: "100", group: "host", page: "3", show: "x", picked: "*", tree: "on", folded: "h" });
  assert.equal(state, "filter=name%7Eweb*%2Ctags%3Da+b&sort=-memory_mib&columns=name%2Chost&per=100&group=host");
  assert.deepEqual(patchOf(state), { filter: "name~web*,tags=a b", sort: "-memory_mib", columns: "name,host", per: "100", group: "host", folded: undefined, page: undefined, picked: undefined });
});

test("choosing a view takes out what it says nothing of, and takes nothing else from what was saved elsewhere", () => {
  const patch = patchOf("sort=name&to=%2Fsign-in&show=x&filter=");
  assert.deepEqual(patch, { filter: undefined, sort: "name", columns: undefined, per: undefined, group: undefined, folded: undefined, page: undefined, picked: undefined });
  assert.ok("filter" in patch);
});

test("a name that differs in case only is the same name", () => {
  assert.equal(viewNamed([{ name: "Shop" }], "SHOP")?.name, "Shop");
  assert.equal(viewNamed([{ name: "Shop" }], "Shops"), undefined);
});

test("what was kept in the browser is handed over once and taken away there", async () => {
  const { carrier, saved, kept } = browser(two);
  assert.deepEqual(await carryOver("vms", [], carrier), []);
  assert.deepEqual(saved, ["Shop: filter=tags%3Dshop", "Big: sort=-memory_mib&per=100"]);
  assert.equal(kept(), null);
  await carryOver("vms", [], carrier);
  assert.equal(saved.length, 2);
});

test("what the server has already is not saved again, and another view of the name is not overwritten", async () => {
  const { carrier, saved, kept } = browser(two);
  await carryOver("vms", [{ name: "shop", state: "filter=tags%3Dshop" }, { name: "big", state: "sort=name" }], carrier);
  assert.deepEqual(saved, ["Big (2): sort=-memory_mib&per=100"]);
  assert.equal(kept(), null);
  assert.equal(asNew({ name: "Big", state: "a" }, [{ name: "Big", state: "b" }, { name: "Big (2)", state: "a" }]), undefined);
});

test("what the server refuses stays and is said; the others go", async () => {
  const { carrier, saved, kept } = browser(two, (name) => {
    if (name === "Shop") throw refused(422);
  });
  const told = await carryOver("vms", [], carrier);
  assert.deepEqual(told.map(({ name, refusal }) => [name, refusal.code]), [["Shop", "value.invalid"]]);
  assert.equal(saved.length, 1);
  assert.deepEqual(JSON.parse(kept() ?? ""), { Shop: { filter: "tags=shop" } });
});

test("what does not arrive stays for another time", async () => {
  for (const thrown of [new TypeError("cut"), refused(503), refused(429), refused(401)]) {
    const { carrier, saved, kept } = browser(two, (name) => {
      if (name === "Big") throw thrown;
    });
    assert.deepEqual(await carryOver("vms", [], carrier), []);
    assert.equal(saved.length, 1);
    assert.deepEqual(JSON.parse(kept() ?? ""), { Big: { sort: "-memory_mib", per: "100" } });
  }
});

test("what nobody can read any more is taken away", async () => {
  for (const text of ["{", "[]", "null", "{}"]) {
    const { carrier, saved, kept } = browser(text);
    await carryOver("vms", [], carrier);
    assert.deepEqual(saved, []);
    assert.equal(kept(), null);
  }
});

test("a name that a browser took becomes one that the server takes", () => {
  assert.equal(mended("a/b\u0007\u202ec"), "a_b__c");
  assert.equal(mended(" . "), "unnamed");
  assert.equal(mended("").length, 7);
  assert.equal(mended("ä".repeat(200)).length, 100);
  assert.equal(asNew({ name: "😀".repeat(100), state: "a" }, [{ name: "😀".repeat(100), state: "b" }])?.name, `${"😀".repeat(96)} (2)`);
});
