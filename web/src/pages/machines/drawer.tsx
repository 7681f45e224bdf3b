import { Stack, StackItem } from "@patternfly/react-core";
import { UsualVmAction, VmMenu } from "../../actions/vm-menu.tsx";
import type { VmView } from "../../api/types.ts";
import { Sparklines } from "../../parts/performance.tsx";
import { MachineFacts } from "./facts.tsx";
import { Screen } from "./screen.tsx";

/** The selected machine, beside the list. */
export function MachineDetails({ vm }: { vm: VmView }) {
  return (
    <Stack hasGutter>
      <StackItem>
        <div className="hostler-row">
          <UsualVmAction vm={vm} />
          <VmMenu vm={vm} />
        </div>
      </StackItem>
      <StackItem>
        <Screen key={vm.id} vm={vm} />
      </StackItem>
      <StackItem>
        <Sparklines path={`/vms/${vm.id}/performance`} memoryMib={vm.spec.hardware.memory_mib} />
      </StackItem>
      <StackItem>
        <MachineFacts vm={vm} narrow />
      </StackItem>
    </Stack>
  );
}
