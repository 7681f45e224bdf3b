import "@patternfly/react-core/dist/styles/base.css";
import "./hostler.css";
import "./lists.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queries } from "./api/queries.ts";
import { router } from "./routes.tsx";
import { showTheme } from "./shell/theme.ts";

showTheme();
const place = document.getElementById("console");
if (place !== null) {
  createRoot(place).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
