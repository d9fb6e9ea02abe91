//! The translation catalogue: every word that people read, once per language.
//!
//! A language is one file with one value for each name in the list below; a missing, doubled or
//! unknown name does not compile. Names in braces such as `{n}` are filled in by [`fill`] and must
//! be the same in every language. To add a language: a file beside `en.rs`, and a variant of
//! [`crate::Language`].

pub(crate) mod en;
pub(crate) mod it;

use model::offer::Lack;
use model::{FailureCode, Item, Phase, Removal, ServerType, Status, Verdict};

macro_rules! catalogue {
    ($(#[$about:meta])* $words:ident { $($name:ident)* } $($part:ident: $part_words:ident)?) => {
        $(#[$about])*
        #[allow(missing_docs)] // the English text beside each name says what it is
        pub struct $words {
            $(pub $name: &'static str,)*
            $(pub $part: $part_words,)?
        }

        impl $words {
            /// Every name with its text.
            pub fn all(&self) -> Vec<(&'static str, &'static str)> {
                #[allow(unused_mut)] // not every catalogue has a part
                let mut all = vec![$((stringify!($name), self.$name),)*];
                $(all.extend(self.$part.all());)?
                all
            }

            /// The same names with other texts, to see which words of a page come from here.
            #[cfg(test)]
            pub(crate) fn mapped(&self, change: &impl Fn(&str) -> &'static str) -> $words {
                $words {
                    $($name: change(self.$name),)*
                    $($part: self.$part.mapped(change),)?
                }
            }
        }
    };
}

catalogue! {
    /// Every word of one language; each field is a sentence or a label.
    Words {
    // every page
    site_name skip_to_content navigation nav_new nav_track nav_project language_label footer footer_source
    thousands_separator decimal_separator

    // home
    home_title home_lead home_new home_track home_points_title
    home_safe_title home_safe home_complete_title home_complete home_alone_title home_alone
    home_secret_title home_secret
    home_steps_title home_step_1_title home_step_1 home_step_2_title home_step_2
    home_step_3_title home_step_3
    home_project_title home_project home_project_new home_project_open

    // new migration
    new_title new_lead source_title source_lead destination_title destination_lead
    field_type field_url field_url_hint field_login field_login_hint field_password
    field_password_hint field_advanced field_delegate field_delegate_hint
    items_title items_lead options_title options_summary
    field_exclude field_exclude_hint field_map field_map_hint field_since field_since_hint
    field_until field_until_hint field_max field_max_hint field_digests field_digests_hint field_start field_start_hint
    schedule_title schedule_summary field_every field_every_hint field_repeat_until
    field_repeat_until_hint field_quiet_from field_quiet_from_hint field_quiet_to
    field_quiet_to_hint field_kept field_kept_hint
    notify_title field_email field_email_hint field_language
    terms_title terms_1 terms_2 terms_3 terms_4
    new_submit new_wait optional
    detect detect_wait detect_found detect_known detect_failed detect_app_password
    detect_hint_app_password detect_hint_token_only detect_hint_switch_on detect_hint_switch_on_app_password
    detect_hint_local_login detect_hint_own_program detect_hint_paid_only detect_hint_mail_password
    detect_hint_ovh_product detect_hint_redirect_only
    errors_title errors_lead errors_password

    // between the form and the start
    new_check preflight_title preflight_lead preflight_start
    preflight_back preflight_sealed preflight_amount preflight_total
    preflight_total_messages preflight_quota preflight_time preflight_about
    preflight_measured preflight_assumed preflight_not_fit preflight_quota_short
    preflight_append_limit preflight_max_item preflight_not_carried lack_source lack_destination
    preflight_folders preflight_folders_hint preflight_from preflight_to
    preflight_messages preflight_new preflight_more
    preflight_left_out preflight_largest preflight_some_sizes

    // find a migration
    track_title track_lead field_id field_id_hint field_account field_account_hint track_submit
    track_unknown

    // the token of a migration
    token_title token_lead token_name token_hint token_use token_onwards

    // tracking
    migration_title migration_from migration_to migration_id migration_id_hint
    progress_title progress_label progress_items progress_events progress_messages progress_bytes progress_rate progress_left
    progress_skipped progress_left_out progress_failed progress_of progress_unknown progress_folder
    progress_percent
    waiting_until waiting_reason last_error_title
    started_at updated_at scheduled_for next_run_at waiting_quiet expires_at expires_hint
    folders_title folders_lead folders_none folders_more
    column_folder column_source_messages column_destination_messages
    column_migrated column_adopted column_left_out column_failed column_verdict column_size
    failures_title failures_none failures_lead failures_more failures_all
    column_subject column_date column_reason
    actions_title action_stop action_stop_hint action_synchronise action_synchronise_hint
    source_password destination_password action_delete action_delete_hint action_delete_confirm
    report_link reload_link stopping deleted_title deleted_lead
    runs_title column_run column_started column_finished column_items run_active
    no_subject

    // report
    report_title report_lead report_print report_back report_csv report_manifest report_manifest_is failures_csv
    report_complete report_failures report_differs report_unknown report_totals
    report_folders_more report_made

    // mails
    mail_created_subject mail_created_title mail_created_text mail_scheduled_text
    mail_started_subject mail_started_title mail_started_text
    mail_waiting_subject mail_waiting_title mail_waiting_text mail_waiting_since
    mail_ended_subject mail_removed_title mail_partly_removed_title mail_completed_title mail_exceptions_title mail_stopped_title
    mail_failed_title mail_completed_text mail_exceptions_text mail_differs_text
    mail_unverified_text mail_stopped_text mail_failed_text
    mail_open mail_open_report mail_link_hint mail_footer

    // error pages
    problem_title problem_home problem_back problem_status

    // words of the model
    status_awaiting_upload status_awaiting_start status_scheduled status_pending status_running
    status_waiting status_paused status_completed status_completed_with_errors status_stopped
    status_failed status_removing status_taken_back status_partly_taken_back
    removal_whole removal_part removal_kept removal_under_way
    hint_pending hint_running hint_completed hint_completed_with_errors hint_stopped hint_failed
    action_pause action_pause_hint action_resume action_resume_hint action_retry action_retry_hint
    action_remove action_remove_hint remove_from remove_from_run remove_show remove_title remove_lead
    remove_nothing remove_count remove_folders remove_kept remove_gone remove_truncated
    remove_confirm
    phase_discover phase_folders phase_changes phase_mail phase_verify phase_remove phase_finished
    item_mail item_contacts item_contact_groups item_calendars item_tasks item_rules
    item_out_of_office
    type_ovh type_imap type_pop type_exchange type_zimbra type_pst type_ics type_vcf
    failure_too_large failure_refused failure_unreadable failure_incomplete
    failure_folder_refused
    failure_flag_not_kept failure_folder_renamed failure_repaired failure_differs failure_kept
    verdict_complete verdict_complete_but_failures verdict_differs verdict_unknown

    // refusals
    refusal_authentication_failed refusal_unreachable refusal_unsupported refusal_bad_url
    refusal_expired refusal_no_server refusal_required refusal_too_long refusal_wrong_type refusal_unknown_field refusal_bad_value
    refusal_bad_date refusal_too_many refusal_repeated refusal_example refusal_out_of_order
    refusal_sign_in refusal_wrong_password refusal_too_many_tries
        refusal_too_many_requests refusal_creation_token refusal_misdirected refusal_busy refusal_too_short
    refusal_unauthorized refusal_not_found refusal_not_in_this_state refusal_already_running
    refusal_idempotency_key_reused refusal_same_account refusal_no_such_page refusal_method
    refusal_too_large refusal_media_type refusal_unreadable refusal_cross_site
    refusal_unavailable refusal_not_configured
    }
    project: ProjectWords
}

catalogue! {
    /// The words of the pages of projects.
    ProjectWords {
    title new_title new_lead name name_hint password password_hint email_hint new_submit
    new_other open_title open_lead open_submit open_other wait closed id made_title made tabs
    follow import add options log_out

    running running_hint paused paused_hint idle idle_hint empty empty_hint pause
    progress_label ended migrations every by_status search search_hint search_submit none next
    first export_csv export_xlsx retry added retried column_number column_mailbox column_group
    column_state

    import_title import_lead import_template_csv import_template_xlsx import_file
    import_file_hint import_check import_all import_wait import_columns_title
    import_columns_servers import_columns_passwords import_columns_delegation
    import_columns_group import_no_file import_bad_title import_bad_lead import_wrong import_bad_more
    column_line column_column import_good_title import_good_lead import_good_again
    import_groups import_no_group import_sources import_destinations import_found import_rows
    column_old column_new

    retry_title retry_lead retry_why retry_submit

    add_title add_lead add_group add_group_hint add_keep add_submit

    options_lead options_items options_speed options_concurrency options_concurrency_hint
    options_requests options_requests_hint options_source options_destination
    options_default_hint options_no_default options_waves options_waves_lead
    options_wave_group options_wave_start options_save options_saved options_wrong delete
    delete_hint delete_sure delete_confirm deleted_title deleted_lead
    }
}

impl Words {
    /// Name of a status.
    pub fn status(&self, status: Status) -> &'static str {
        match status {
            Status::AwaitingUpload => self.status_awaiting_upload,
            Status::AwaitingStart => self.status_awaiting_start,
            Status::Scheduled => self.status_scheduled,
            Status::Pending => self.status_pending,
            Status::Running => self.status_running,
            Status::Waiting => self.status_waiting,
            Status::Paused => self.status_paused,
            Status::Completed => self.status_completed,
            Status::CompletedWithErrors => self.status_completed_with_errors,
            Status::Stopped => self.status_stopped,
            Status::Failed => self.status_failed,
            Status::Removing => self.status_removing,
        }
    }

    /// Where a migration stands: what was taken back is not complete.
    pub fn stands(&self, status: Status, removal: Option<&Removal>) -> &'static str {
        match (status, removal) {
            (Status::Completed | Status::CompletedWithErrors, Some(removal)) => {
                if removal.is_whole() {
                    self.status_taken_back
                } else {
                    self.status_partly_taken_back
                }
            }
            _ => self.status(status),
        }
    }

    /// A whole number with separators between thousands.
    pub fn number(&self, n: u64) -> String {
        let digits = n.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push_str(self.thousands_separator);
            }
            text.push(digit);
        }
        text
    }

    /// What is left after a removal, in sentences.
    pub fn taken_back(&self, removal: &Removal) -> String {
        let n = |count: u64| self.number(count);
        let (removed, left, kept) = (n(removal.removed), n(removal.left), n(removal.kept));
        let values = [("removed", &*removed), ("left", &*left), ("kept", &*kept)];
        let mut sentence = match removal.finished_at {
            None => fill(self.removal_under_way, &values),
            Some(_) if removal.is_whole() => fill(self.removal_whole, &values),
            Some(_) => fill(self.removal_part, &values),
        };
        if removal.kept > 0 {
            sentence.push(' ');
            sentence.push_str(&fill(self.removal_kept, &values));
        }
        sentence
    }

    /// What a status means for the reader; `None` where its name says it.
    pub fn hint(&self, status: Status) -> Option<&'static str> {
        match status {
            Status::Pending => Some(self.hint_pending),
            Status::Running => Some(self.hint_running),
            Status::Completed => Some(self.hint_completed),
            Status::CompletedWithErrors => Some(self.hint_completed_with_errors),
            Status::Stopped => Some(self.hint_stopped),
            Status::Failed => Some(self.hint_failed),
            Status::AwaitingUpload
            | Status::AwaitingStart
            | Status::Scheduled
            | Status::Waiting
            | Status::Paused
            | Status::Removing => None,
        }
    }

    /// Name of a phase.
    pub fn phase(&self, phase: Phase) -> &'static str {
        match phase {
            Phase::Discover => self.phase_discover,
            Phase::Folders => self.phase_folders,
            Phase::Changes => self.phase_changes,
            Phase::Mail => self.phase_mail,
            Phase::Verify => self.phase_verify,
            Phase::Remove => self.phase_remove,
            Phase::Finished => self.phase_finished,
        }
    }

    /// What is counted of an item: one of its kind.
    pub fn counted(&self, item: Item) -> &'static str {
        match item {
            Item::Mail => self.progress_messages,
            Item::Calendars => self.progress_events,
            Item::Contacts
            | Item::ContactGroups
            | Item::Tasks
            | Item::Rules
            | Item::OutOfOffice => self.item(item),
        }
    }

    /// The same of several items together.
    pub fn counted_together(&self, items: &[Item]) -> &'static str {
        match items {
            [one] => self.counted(*one),
            _ => self.progress_items,
        }
    }

    /// Why an item is not moved.
    pub fn lack(&self, lack: Lack) -> &'static str {
        match lack {
            Lack::Source => self.lack_source,
            Lack::Destination => self.lack_destination,
        }
    }

    /// Name of an item.
    pub fn item(&self, item: Item) -> &'static str {
        match item {
            Item::Mail => self.item_mail,
            Item::Contacts => self.item_contacts,
            Item::ContactGroups => self.item_contact_groups,
            Item::Calendars => self.item_calendars,
            Item::Tasks => self.item_tasks,
            Item::Rules => self.item_rules,
            Item::OutOfOffice => self.item_out_of_office,
        }
    }

    /// Name of a server type.
    pub fn server_type(&self, server_type: ServerType) -> &'static str {
        match server_type {
            ServerType::Ovh => self.type_ovh,
            ServerType::Imap => self.type_imap,
            ServerType::Pop => self.type_pop,
            ServerType::Exchange => self.type_exchange,
            ServerType::Zimbra => self.type_zimbra,
            ServerType::Pst => self.type_pst,
            ServerType::Ics => self.type_ics,
            ServerType::Vcf => self.type_vcf,
        }
    }

    /// What a failure code says.
    pub fn failure(&self, code: FailureCode) -> &'static str {
        match code {
            FailureCode::TooLarge => self.failure_too_large,
            FailureCode::Refused => self.failure_refused,
            FailureCode::Unreadable => self.failure_unreadable,
            FailureCode::Incomplete => self.failure_incomplete,
            FailureCode::FolderRefused => self.failure_folder_refused,
            FailureCode::FlagNotKept => self.failure_flag_not_kept,
            FailureCode::FolderRenamed => self.failure_folder_renamed,
            FailureCode::Repaired => self.failure_repaired,
            FailureCode::Differs => self.failure_differs,
            FailureCode::Kept => self.failure_kept,
        }
    }

    /// What a verdict says.
    pub fn verdict(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Complete => self.verdict_complete,
            Verdict::CompleteButFailures => self.verdict_complete_but_failures,
            Verdict::Differs => self.verdict_differs,
            Verdict::Unknown => self.verdict_unknown,
        }
    }

    /// The sentence for what is to be known of a server; `None` for a name that is not in the
    /// catalogue.
    pub fn detect_hint(&self, hint: &str) -> Option<&'static str> {
        self.detect_hints().into_iter().find(|(name, _)| *name == hint).map(|(_, text)| text)
    }

    /// Every such sentence with its name.
    pub fn detect_hints(&self) -> Vec<(&'static str, &'static str)> {
        let named =
            |(key, text): (&'static str, _)| Some((key.strip_prefix("detect_hint_")?, text));
        self.all().into_iter().filter_map(named).collect()
    }

    /// The sentence for a refusal's code; `None` for a code that is not in the catalogue.
    pub fn refusal(&self, code: &str) -> Option<&'static str> {
        let name = format!("refusal_{code}");
        self.all().into_iter().find(|(key, _)| *key == name).map(|(_, text)| text)
    }
}

/// Puts values in the place of `{name}`.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        if let Some((_, value)) = values.iter().find(|(key, _)| *key == name) {
            text.push_str(value);
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    fn placeholders(text: &str) -> Vec<&str> {
        let mut names: Vec<&str> =
            text.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_language_has_every_key_with_the_same_placeholders() {
        let english = Language::En.words().all();
        for language in Language::ALL {
            for ((key, text), (english_key, english_text)) in
                language.words().all().into_iter().zip(&english)
            {
                assert_eq!(key, *english_key);
                assert!(!text.trim().is_empty() || key == "thousands_separator", "{key}");
                assert_eq!(placeholders(text), placeholders(english_text), "{key}");
            }
        }
    }

    /// Words that are the same in both languages are listed, so that a forgotten one shows.
    #[test]
    fn italian_is_translated() {
        let same_on_purpose = [
            "site_name",
            "field_password",
            "type_exchange",
            "type_zimbra",
            "field_email",
            "progress_of",
            "progress_percent",
            "source_password",
            "mail_ended_subject",
        ];
        for ((key, italian), (_, english)) in
            Language::It.words().all().into_iter().zip(Language::En.words().all())
        {
            assert!(italian != english || same_on_purpose.contains(&key), "{key}: {italian}");
        }
    }

    #[test]
    fn fills_by_name() {
        assert_eq!(fill("{a} of {b}", &[("b", "{a}"), ("a", "1")]), "1 of {a}");
        assert_eq!(fill("no end {a", &[("a", "1")]), "no end a");
        assert_eq!(fill("{unknown}!", &[]), "!");
    }
}
