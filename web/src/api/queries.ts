import { QueryClient } from "@tanstack/react-query";
import { RefusalError } from "./refusal.ts";

/** Answers are kept until something says that they are old: nothing is asked again on a clock or at a glance. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Infinity,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      // What the server refused it refuses again; what did not arrive may arrive.
      retry: (count, thrown) => !(thrown instanceof RefusalError) && count < 3,
    },
  },
});
