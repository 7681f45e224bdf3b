import { Drawer, DrawerActions, DrawerCloseButton, DrawerContent, DrawerContentBody, DrawerHead, DrawerPanelBody, DrawerPanelContent, Title } from "@patternfly/react-core";
import type { ReactNode } from "react";
import { words } from "../words/en.ts";

/** A list with the details of one of its rows beside it. */
export function Split({ children, title, details, onClose }: { children: ReactNode; title: ReactNode; details: ReactNode | undefined; onClose: () => void }) {
  return (
    <Drawer isExpanded={details !== undefined} isInline>
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
