import type { components } from "./schema.d.ts";

export type Schemas = components["schemas"];
export type VmView = Schemas["VmView"];
export type HostView = Schemas["HostView"];
export type HostGroupView = Schemas["HostGroupView"];
export type JobView = Schemas["JobView"];
export type ShareView = Schemas["ShareView"];
export type ItemView = Schemas["ItemView"];
export type TemplateView = Schemas["TemplateView"];
export type UserView = Schemas["UserView"];
export type TokenView = Schemas["TokenView"];
export type AgentView = Schemas["AgentView"];
export type EnrolmentView = Schemas["EnrolmentView"];
export type SavedViewView = Schemas["SavedViewView"];
export type FeedEvent = Schemas["FeedEvent"];
export type RatingView = Schemas["RatingView"];
export type DryRun = Schemas["DryRun"];
export type VmStatus = Schemas["VmStatus"];
export type HostStatus = Schemas["HostStatus"];
export type JobState = Schemas["JobState"];

/** Lists that can be watched, each with what stands in it. */
export interface Nouns {
  vms: VmView;
  hosts: HostView;
  "host-groups": HostGroupView;
  jobs: JobView;
  "library-shares": ShareView;
  "library-items": ItemView;
  templates: TemplateView;
  users: UserView;
  tokens: TokenView;
  agents: AgentView;
  enrolments: EnrolmentView;
}
export type Noun = keyof Nouns;

/** A change was taken on. */
export interface Accepted {
  job: number;
  id?: string | null;
}
