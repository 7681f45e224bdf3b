//! Planted faults: ways in which the code around the engine could be wrong. Each must be found by the stories, or the
//! stories prove nothing.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// A planted fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant { $(
            $(#[$doc])*
            $name,
        )* }

        impl Mutant {
            /// Every planted fault.
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name),*];

            /// What it is called.
            pub fn word(self) -> &'static str {
                match self { $(Mutant::$name => $word),* }
            }
        }
    };
}

mutants! {
    /// Effects leave before the commit is durable.
    EffectsBeforeCommit = "effects before the commit";
    /// The agent keeps no intent.
    NoIntent = "no intent record";
    /// The agent is told that its journal is durable when it is not.
    JournalNotSynced = "journal not synced";
    /// The agent keeps no outcome.
    NoOutcome = "no outcome record";
    /// The agent keeps no tombstone: a step that is revoked before it arrives begins when it does.
    NoTombstone = "no tombstone";
    /// An undo removes what lies at the path, whoever made it.
    UndoByPath = "undo by path, not by mark";
    /// A machine's definition is removed without a look at its power.
    GuardOff = "guard of undefine off";
    /// What was in doubt after a crash is called not done without a look.
    NoProbe = "no look after a crash";
    /// A step that is delivered again is begun again.
    DeliveredTwice = "delivered twice, begun twice";
    /// Facts lose their order: each seems the newest.
    FactsWithoutOrder = "older fact overwrites a newer one";
    /// The locks of open jobs are lost at a restart.
    LocksLost = "locks lost at restart";
    /// Idempotency keys are lost at a restart.
    KeysLost = "keys forgotten at restart";
    /// Recorded choices are lost at a restart, so plans choose again.
    ChoicesLost = "choices made again";
    /// The point of no return is lost at a restart.
    PointLost = "point not recorded";
    /// A limit that has passed counts as a failure without asking the agent.
    LimitIsFailure = "limit taken for failure";
    /// Steps that are out are lost at a restart.
    StepsLost = "open steps not recorded";
    /// The epoch is not raised at a start, so numbers are used again.
    EpochNotRaised = "old epoch used again";
    /// What takes the place of a long journal lacks the steps that are open.
    OpenForgotten = "open steps forgotten at compaction";
    /// A full picture counts as newer than every fact.
    PictureTooNew = "picture overwrites a newer fact";
    /// Readers see a commit before it is durable.
    ReaderAhead = "reader ahead of the commit";
    /// A restored store bears no mark, and no agent says that it has met a later epoch.
    RestoreUnmarked = "restore neither marked nor noticed";
    /// Any number of commands of one class is sent to a host at the same time.
    LimitsIgnored = "limits of a class ignored";
    /// Of a commit only the first changes are kept.
    HalfCommit = "half a commit kept";
    /// A step that is asked to stop counts as revoked while it goes on.
    AbortIsRevoked = "asked to stop taken for stopped";
    /// A migration whose end nobody saw counts as failed, without asking the new host.
    UnsureIsFailed = "migration in doubt taken for failed";
    /// That a host was given up is lost at a restart.
    GivenUpForgotten = "given up forgotten at restart";
    /// A host that was given up is not let in when it comes back.
    GivenUpKeptOut = "host that was given up kept out";
    /// A new agent program that did not come up takes the place of the one before all the same.
    ProgramKept = "new program kept that did not come up";
    /// The clock is not asked whether a certificate has ended.
    EndedLetIn = "ended certificate let in";
    /// An agent that is removed is let in no more, but keeps the session that it has.
    RemovedStays = "removed agent keeps its session";
    /// A renewed certificate is used before it is written.
    RenewedUnwritten = "renewed certificate used unwritten";
    /// Who waits for a turn to come in is sent no heartbeat.
    WaitsUnheard = "who waits to come in hears nothing";
    /// Agents that come all at once are let in all at once.
    AllAtOnce = "all let in at once";
}
