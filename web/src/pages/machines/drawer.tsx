import { Stack, StackItem } from "@patternfly/react-core";
import { UsualVmAction } from "../../actions/vm-menu.tsx";
import type { VmView } from "../../api/types.ts";
import { MachineFacts } from "./facts.tsx";
import { Screen } from "./screen.tsx";

/** The selected machine, beside the list. */
export function MachineDetails({ vm }: { vm: VmView }) {
  return (
    <Stack hasGutter>
      <StackItem>
        <UsualVmAction vm={vm} />
      </StackItem>
      <StackItem>
        <Screen key={vm.id} vm={vm} />
      </StackItem>
      <StackItem>
        <MachineFacts vm={vm} narrow />
      </StackItem>
    </Stack>
  );
}
