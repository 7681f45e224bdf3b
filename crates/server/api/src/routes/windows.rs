//! The windows of all lists: `/<noun>/window`. Who may read a list may watch it. (A thing of the name "window" is asked
//! for by its id.)

use axum::extract::State;
use axum::response::Response;
use hostler_model::access::{Right, Token, User};
use hostler_model::agent::{Agent, Enrolment};
use hostler_model::host::Host;
use hostler_model::host_group::HostGroup;
use hostler_model::job::Job;
use hostler_model::library::{Item, Share};
use hostler_model::template::Template;
use hostler_model::view::{
    AgentView, EnrolmentView, HostGroupView, HostView, ItemView, JobView, ShareView, TemplateView, TokenView,
    UserView, VmView,
};
use hostler_model::vm::Vm;
use hostler_model::window::WindowEvent;
use utoipa_axum::routes;

use crate::access::Caller;
use crate::app::App;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rights::Routes;
use crate::window::{WindowQuery, open};

macro_rules! windows {
    ($($(#[$doc:meta])* $right:ident, $path:literal, $watch:ident, $body:ident as $view:ident;)*) => {
        pub(super) fn routes(routes: Routes) -> Routes {
            routes$(.add(Right::$right, routes!($watch)))*
        }

        $(
            $(#[$doc])*
            ///
            /// Server-sent events: `window` tells it whole, at first and whenever that is needed again; each `change`
            /// then what is otherwise, at most four times a second. A comment comes every ten seconds when nothing
            /// happens.
            #[utoipa::path(
                get, path = $path, params(WindowQuery),
                responses((status = 200, body = WindowEvent<$view>, content_type = "text/event-stream"))
            )]
            async fn $watch(
                State(app): State<App>,
                caller: Caller,
                Params(query): Params<WindowQuery>,
            ) -> Result<Response, Problem> {
                open::<$body>(app, caller, Right::$right, query).await
            }
        )*
    };
}

windows! {
    /// Watch a part of the list of machines.
    See, "/vms/window", watch_vms, Vm as VmView;
    /// Watch a part of the list of hosts.
    See, "/hosts/window", watch_hosts, Host as HostView;
    /// Watch a part of the list of groups of hosts, with the hosts and machines in and below each.
    See, "/host-groups/window", watch_host_groups, HostGroup as HostGroupView;
    /// Watch open jobs and the newest ended ones.
    See, "/jobs/window", watch_jobs, Job as JobView;
    /// Watch a part of the list of library shares.
    See, "/library-shares/window", watch_shares, Share as ShareView;
    /// Watch a part of the list of library items.
    See, "/library-items/window", watch_items, Item as ItemView;
    /// Watch a part of the list of templates.
    See, "/templates/window", watch_templates, Template as TemplateView;
    /// Watch a part of the list of agents.
    See, "/agents/window", watch_agents, Agent as AgentView;
    /// Watch a part of the list of enrolment tokens.
    Administer, "/enrolments/window", watch_enrolments, Enrolment as EnrolmentView;
    /// Watch a part of the list of users.
    Administer, "/users/window", watch_users, User as UserView;
    /// Watch a part of the list of one's tokens.
    Own, "/tokens/window", watch_tokens, Token as TokenView;
}
