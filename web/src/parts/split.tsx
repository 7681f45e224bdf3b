import { Drawer, DrawerActions, DrawerCloseButton, DrawerContent, DrawerContentBody, DrawerHead, DrawerPanelBody, DrawerPanelContent, Title } from "@patternfly/react-core";
import type { ReactNode } from "react";
import { words } from "../words/en.ts";
import { useIsWide } from "./wide.ts";

/** From this width on details stand beside the list; below it they lie upon it, so that the list keeps its columns. */
const BESIDE_PX = 1_700;

/** A list with the details of one of its rows beside it. */
export function Split({ children, title, details, onClose }: { children: ReactNode; title: ReactNode; details: ReactNode | undefined; onClose: () => void }) {
  const isBeside = useIsWide(BESIDE_PX);
  return (
    <Drawer isExpanded={details !== undefined} isInline={isBeside}>
      <DrawerContent
        panelContent={
          details !== undefined && (
            <DrawerPanelContent defaultSize="26rem" minSize="18rem">
              <DrawerHead>
                <Title headingLevel="h2" size="lg">{title}</Title>
                <DrawerActions>
                  <DrawerCloseButton aria-label={words.table.close} onClose={onClose} />
                </DrawerActions>
              </DrawerHead>
              <DrawerPanelBody>{details}</DrawerPanelBody>
            </DrawerPanelContent>
          )
        }
      >
        <DrawerContentBody>{children}</DrawerContentBody>
      </DrawerContent>
    </Drawer>
  );
}
