//! AWS Health: `AWS Health Event` and `AWS Health Abuse Event`.
//!
//! Schema: AWS Health user guide, "Amazon EventBridge event schema". Every event goes to a primary and a backup region;
//! the copies share `eventArn` and `communicationId`, which is what tells that they are one.

use super::lenient::{List, Text, lenient};

lenient! {
    /// `detail` of a Health event.
    Health {
        /// `eventArn`.
        event_arn: Text<'a> = "eventArn",
        /// `service`: `RISK`, `ABUSE`, `EC2` …
        service: Text<'a> = "service",
        /// `eventTypeCode`, such as `AWS_RISK_CREDENTIALS_EXPOSED`.
        event_type_code: Text<'a> = "eventTypeCode",
        /// `communicationId`: shared by the copies and pages of one message.
        communication_id: Text<'a> = "communicationId",
        /// `startTime`, RFC 1123.
        start_time: Text<'a> = "startTime",
        /// `lastUpdatedTime`, RFC 1123.
        last_updated_time: Text<'a> = "lastUpdatedTime",
        /// `statusCode`: `open`, `closed` or `upcoming`.
        status_code: Text<'a> = "statusCode",
        /// `eventRegion`; `global` for account-wide events.
        event_region: Text<'a> = "eventRegion",
        /// `affectedAccount`: in an organization's view not the account that received the event.
        affected_account: Text<'a> = "affectedAccount",
        /// `page` of `totalPages`.
        page: Text<'a> = "page",
        /// `totalPages`.
        total_pages: Text<'a> = "totalPages",
        /// `backupEvent`, as text: `true` for the copy in the backup region.
        backup_event: Text<'a> = "backupEvent",
        /// `eventMetadata`.
        metadata: Metadata<'a> = "eventMetadata",
        /// `eventDescription[]`.
        descriptions: List<Description<'a>> = "eventDescription",
        /// `affectedEntities[]`, all of them.
        entities: List<Entity<'a>> = "affectedEntities",
    }
}

lenient! {
    /// `eventMetadata`: the fields AWS sends with exposed credentials.
    Metadata {
        /// `publicKey`: the access key id.
        public_key: Text<'a> = "publicKey",
        /// `userName` the key belongs to.
        user_name: Text<'a> = "userName",
        /// `exposedUrl`: where the key was found; text from outside AWS.
        exposed_url: Text<'a> = "exposedUrl",
    }
}

lenient! {
    /// One entry of `eventDescription`.
    Description {
        /// `latestDescription`.
        latest: Text<'a> = "latestDescription",
    }
}

lenient! {
    /// One entry of `affectedEntities`.
    Entity {
        /// `entityValue`: an ARN, an access key id, an account id …
        value: Text<'a> = "entityValue",
        /// `status`: `RESOLVED` … where AWS keeps one.
        status: Text<'a> = "status",
    }
}

impl Health<'_> {
    /// Values of all affected entities, without the empty ones and without the words that stand for none.
    pub fn entity_values(&self) -> impl Iterator<Item = &str> {
        let values = self.entities.0.iter().filter_map(|entity| entity.value.get());
        values.filter(|value| !["AWS_ACCOUNT", "UNKNOWN"].contains(value))
    }

    /// AWS's own words, first language given.
    pub fn description(&self) -> Option<&str> {
        self.descriptions.0.iter().find_map(|description| description.latest.get())
    }

    /// The id that the primary copy, the backup copy and a redelivery share, and the pages do not. That AWS closes a
    /// notice is an event of its own, also where the notice has no communication of its own for it.
    pub fn occurrence_id(&self, envelope_id: &str) -> String {
        match (self.event_arn.get(), self.communication_id.get()) {
            (None, None) => envelope_id.to_owned(),
            (arn, communication) => format!(
                "health:{}:{}:{}{}",
                arn.unwrap_or_default(),
                communication.unwrap_or_default(),
                self.page.get().unwrap_or("1"),
                if self.status_code.is_ignore_case("closed") { ":closed" } else { "" }
            ),
        }
    }
}
