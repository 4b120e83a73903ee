//! The spans of the home optimizer: what its traces may hold, and where.
//!
//! Dashboards and evaluations read these names, so they are declared once and tied to the functions that make them. A misspelled one does not compile,
//! and `spans.lock` shows a change to any of them as a diff.

spanwright::spans! {
    /// Looks at how a home is used and suggests what to automate.
    pub workflow Optimization(id = "home.workflow.optimization", name = "optimization_workflow") {
        /// Suggestions the home should follow. Unit: `{suggestion}`.
        recommended_count: u64,

        /// Reads what happened in the home.
        pub node CollectBehavioralData(id = "home.node.collect_behavioral_data") {
            /// Entries of the logbook. Unit: `{entry}`.
            entry_count: u64,
            /// Days with at least one entry. Unit: `d`.
            day_count: u64,
        }

        /// Finds out what the home could do by itself.
        pub node AnalyzeAndSuggest(id = "home.node.analyze_and_suggest") {
            /// The data scientist writes a script that looks for habits.
            pub node GenerateScript(id = "home.node.generate_script", name = "DataScientist.generate_script") {
                /// Length of the script. Unit: `{line}`.
                script.lines: u64,
            }

            /// A script, run where it can do no harm.
            pub sandbox ScriptRun(id = "home.sandbox.script_run", parents(root));

            /// The data scientist says what follows from the findings.
            pub node ExtractInsights(id = "home.node.extract_insights", name = "DataScientist.extract_insights");
        }

        /// Decides which suggestions are worth following.
        pub node ArchitectReview(id = "home.node.architect_review") {
            /// The architect looks at each suggestion.
            pub node ReceiveSuggestion(id = "home.node.receive_suggestion", name = "Architect.receive_suggestion") {
                /// Suggestions that were declined. Unit: `{suggestion}`.
                declined_count: u64,
            }
        }

        /// Puts the answer together.
        pub node PresentRecommendations(id = "home.node.present_recommendations", leaf);
    }

    /// Counts the logbook of a home, for whoever asks.
    pub retriever LogbookStats(id = "home.retriever.logbook_stats", name = "ha.get_logbook_stats", leaf);

    /// One call of the model.
    pub llm ModelCall(
        id = "home.llm.model_call",
        name = "llm",
        parents(GenerateScript, ExtractInsights, ReceiveSuggestion, root),
        leaf,
    ) {
        /// Characters of all messages together. Unit: `{character}`.
        prompt.characters: u64,
    }
}
