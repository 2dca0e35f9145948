"""What codes of the ledger are called on a page, as message ids (see ``api.translations``)."""

from __future__ import annotations

from typing import Final

from api.translations import N_

STAGES: Final = {
    "applied": N_("applied"),
    "gaps_told": N_("gaps told"),
    "refused": N_("refused"),
    "accepted": N_("accepted"),
    "accepted_with_gaps": N_("accepted with gaps"),
    "deemed_accepted": N_("deemed accepted"),
    "in_review": N_("in review"),
    "granted": N_("granted"),
    "denied": N_("denied"),
    "withdrawn": N_("withdrawn"),
    "lapsed": N_("lapsed"),
    "delivered": N_("delivered"),
    "closed": N_("closed"),
    "taken": N_("ticket taken"),
    "called": N_("called"),
    "served": N_("served"),
    "skipped": N_("skipped"),
    "expired": N_("expired"),
}

# By type, without its version.
ACTS: Final = {
    "imported.case": N_("What the source says of the case"),
    "imported.event": N_("Event without a name"),
    "approval.applied": N_("Applied"),
    "approval.gaps_told": N_("Gaps told"),
    "approval.supplied": N_("Papers supplied"),
    "approval.accepted": N_("Accepted"),
    "approval.accepted_with_gaps": N_("Accepted with gaps"),
    "approval.gap_filled": N_("Gap filled"),
    "approval.gaps_lapsed": N_("Gaps lapsed"),
    "approval.refused": N_("Refused"),
    "approval.deemed_accepted": N_("Deemed accepted"),
    "approval.branch_opened": N_("Unit's review opened"),
    "approval.branch_finished": N_("Unit's review finished"),
    "approval.step_started": N_("Step started"),
    "approval.step_finished": N_("Step finished"),
    "approval.suspended": N_("Suspended"),
    "approval.resumed": N_("Resumed"),
    "approval.extended": N_("Extended"),
    "approval.decided": N_("Decided"),
    "approval.withdrawn": N_("Withdrawn"),
    "approval.delivered": N_("Delivered"),
    "approval.closed": N_("Closed"),
    "approval.reopened": N_("Reopened"),
    "approval.late_entry_confirmed": N_("Late entry confirmed"),
    "patrol.marked": N_("Moment marked on patrol"),
    "patrol.complained": N_("Complaint opened about it"),
    "ticket.taken": N_("Ticket taken"),
    "ticket.called": N_("Called"),
    "ticket.served": N_("Served"),
    "ticket.skipped": N_("Skipped"),
    "ticket.expired": N_("Expired"),
    "complaint.received": N_("Complaint received"),
    "complaint.registered": N_("Complaint registered"),
    "complaint.accepted": N_("Complaint accepted"),
    "complaint.assigned": N_("Investigator named"),
    "complaint.refused": N_("Complaint refused"),
    "complaint.forwarded": N_("Complaint forwarded"),
    "complaint.evidence_held": N_("Footage held"),
    "complaint.clip_sealed": N_("Clip sealed"),
    "complaint.clip_missing": N_("No clip can be had"),
    "footage.clip_requested": N_("Clip asked for"),
    "footage.clip_granted": N_("Clip granted"),
    "footage.clip_refused": N_("Clip not granted"),
    "footage.grant_withdrawn": N_("Grant withdrawn"),
    "footage.link_issued": N_("Link made"),
    "footage.clip_viewed": N_("Clip looked at"),
    "footage.clip_downloaded": N_("Clip downloaded"),
    "footage.clip_shared": N_("Clip handed on"),
    "footage.clip_verified": N_("Clip checked"),
    "footage.clip_redacted": N_("Bystanders covered"),
    "footage.redaction_confirmed": N_("Redaction confirmed"),
    "footage.redaction_rejected": N_("Redaction rejected"),
    "complaint.investigated": N_("Investigated"),
    "complaint.replied": N_("Reply of the complained-of"),
    "complaint.finding_made": N_("Finding"),
    "complaint.extended": N_("Time extended"),
    "complaint.decided": N_("Complaint decided"),
    "complaint.told": N_("Told in writing"),
    "complaint.called_back": N_("Called back"),
    "complaint.review_asked": N_("Review asked for"),
    "complaint.review_decided": N_("Review decided"),
    "complaint.holds_released": N_("Holds released"),
    "complaint.closed": N_("Complaint closed"),
    "import.started": N_("Import started"),
    "import.finished": N_("Import finished"),
}

CLOCKS: Final = {
    "statutory": N_("statutory limit"),
    "promise": N_("promised limit"),
    "joint": N_("joint review"),
    "gap_notice": N_("notice of gaps"),
    "branch": N_("a unit's review"),
    "step": N_("step"),
    "delivery": N_("delivery"),
    "notice": N_("time for bids"),
    "amendment": N_("time for bids after an amendment"),
    "opening": N_("opening of bids"),
    "award": N_("award"),
    "contract": N_("signing of the contract"),
    "objection": N_("answer to an objection"),
}

ANOMALIES: Final = {
    "A1": N_("mandatory step skipped"),
    "A2": N_("back-dated"),
    "A3": N_("standstill"),
    "A4": N_("hugging the deadline"),
    "A5": N_("batch entry"),
    "A6": N_("off hours"),
    "A7": N_("loop"),
    "A8": N_("clock gaming"),
    "A9": N_("rare hands"),
    "A10": N_("no four eyes"),
    "A11": N_("fake on the spot"),
    "A12": N_("double intake, or no review"),
    "A13": N_("rating burst"),
    "A14": N_("queue order broken"),
    "A15": N_("clip access misused"),
    "A16": N_("footage missing"),
    "A17": N_("card tampered with"),
    "A18": N_("trading flag"),
    "A19": N_("drift"),
    "A20": N_("impossible history"),
}

COLOURS: Final = {"red": N_("red card"), "yellow": N_("yellow card"), "prompt": N_("prompt")}

CLOCK_STATES: Final = {
    "running": N_("running"),
    "paused": N_("paused"),
    "overdue": N_("overdue"),
    "stopped_in_time": N_("stopped in time"),
    "stopped_late": N_("stopped late"),
    "stopped_early": N_("shorter than the least time"),
    "not_yet_known": N_("due date not yet known"),
}

ZONES: Final = {
    "social": N_("social services"),
    "economic": N_("economic services"),
    "construction": N_("construction services"),
    "public_resources": N_("public resources"),
}

UNITS: Final = {
    "working-day": N_("working days"),
    "calendar-day": N_("calendar days"),
    "hour": N_("hours"),
}

FLAGS: Final = {
    "before-case-start": N_("earlier than the case's start"),
    "end-before-start": N_("the case ends before it starts"),
    "future": N_("later than the time of reading"),
    "out-of-order": N_("earlier than the event before it in the file"),
    "no-offset": N_("a time without a zone, read as UTC"),
    "date-only": N_("a day without a time"),
    "bad-timestamp": N_("a text that is no time"),
    "no-timestamp": N_("no time at all"),
    "no-activity": N_("no name of what was done"),
    "no-case-id": N_("the case has no number"),
    "case-split": N_("the file names the case twice"),
    "duplicate-key": N_("the same attribute twice; the last one counts"),
    "odd-xml": N_("text that the format does not know was left out"),
}

STANDINGS: Final = {
    "ok": N_("signed"),
    "behind": N_("behind"),
    "ahead": N_("holds more than this log"),
    "forked": N_("holds another history"),
    "refused": N_("refused"),
    "unreachable": N_("does not answer"),
    "never": N_("never"),
}

CUSTODY: Final = {
    "actor": N_("key held by the person alone"),
    "device": N_("key held by a device"),
    "server": N_("key kept by this server for the signer: weaker"),
}

ROLES: Final = {
    "source_adapter": N_("adapter of a source"),
    "window_clerk": N_("window clerk"),
    "approver": N_("approver"),
    "reviewer": N_("reviewer"),
    "unit_head": N_("head of the unit"),
    "system_clock": N_("system clock"),
    "key_officer": N_("key officer"),
    "catalogue_admin": N_("catalogue administrator"),
    "queue_machine": N_("queue machine"),
    "approval_adapter": N_("approval system"),
    "queue_adapter": N_("queue machine"),
    "rating_adapter": N_("rating terminal"),
    "grid_adapter": N_("grid application"),
    "hotline_adapter": N_("hotline"),
    "fire_adapter": N_("fire service"),
    "site_adapter": N_("watched sites"),
    "trading_adapter": N_("trading system"),
    "portal_adapter": N_("residents' portal"),
    "citizen": N_("citizen"),
    "supervisor": N_("supervisor"),
    "investigator": N_("investigator"),
    "complaint_head": N_("head of the complaint centre"),
    "video_custodian": N_("video custodian"),
    "auditor": N_("auditor"),
    "privacy_officer": N_("privacy officer"),
}

PURPOSES: Final = {
    "handling": N_("handling the case"),
    "supervision": N_("supervision"),
    "complaint": N_("a complaint"),
    "audit": N_("an audit"),
}

# Title and what to do, by the error's code.
ERRORS: Final = {
    "session": (
        N_("Please come in by a link"),
        N_("Case data is for people who were let in. Run the command below on the server and open the link it prints."),
    ),
    "link": (
        N_("This link no longer works"),
        N_("A link lets one browser in, once, within ten minutes. Run the command below to get a new one."),
    ),
    "token": (N_("A token of another scope is needed"), N_("Ask the operator for a token of the right scope.")),
    "clip-link": (
        N_("This link shows no clip any more"),
        N_("It is for one viewer and one browser, up to its time. Whoever granted the clip makes another."),
    ),
    "clip-viewer": (
        N_("This clip was granted to somebody else"),
        N_("Ask for it, with the purpose and the legal basis; a second person grants it."),
    ),
    "no-case": (
        N_("There is no such case"),
        N_("Look at its number again, or at the moment you ask about: it may not have begun."),
    ),
    "no-source": (
        N_("There is no such source"),
        N_("Nothing was imported under this name. Choose one of the sources in the list."),
    ),
    "no-page": (N_("There is no such page"), N_("The list of cases is a good place to begin.")),
    "position": (N_("The log is not that long yet"), N_("Ask as of a position that the log has reached.")),
    "instant": (N_("This is no time"), N_("Write it like 2024-03-04T09:30:00+08:00.")),
    "malformed": (N_("The question is not well formed"), N_("Go back and look at the fields again.")),
    "entry-changed": (
        N_("Evidence: the bytes of an entry were changed"),
        N_("What is stored no longer hashes to its leaf. Keep this page, and have the entry put back from a mirror."),
    ),
    "leaf-changed": (
        N_("Evidence: an entry does not stand in the signed tree"),
        N_("Keep this page and the checkpoint: both are evidence."),
    ),
    "entry-missing": (
        N_("Evidence: an entry is missing from the store"),
        N_("Have it put back, byte for byte, from published entries or a mirror."),
    ),
    "stream-gap": (
        N_("Evidence: a statement of this case is missing"),
        N_("The chain of the case is broken at this place. Have it put back from published entries or a mirror."),
    ),
    "signature": (
        N_("Evidence: a signature does not hold"),
        N_("The statement was not signed by the key that it names. Keep this page."),
    ),
    "session-reads": (
        N_("This session only reads"),
        N_("On the server, mingjian link --actor ACTOR makes a link for somebody whose key is kept there."),
    ),
    "complaint-file": (
        N_("The file of a complaint is for those who work on it"),
        N_("Investigators, complaint heads, custodians and those who oversee them come in by a link of their own."),
    ),
    "complained-of": (N_("It is a complaint against you"), N_("Your part comes to you from the investigator.")),
    "origin": (
        N_("Another site asked for this"),
        N_("Nothing was changed. Do it on a page of this server, in this window."),
    ),
    "live-yours": (
        N_("You watch as many cameras as one may at once"),
        N_("End one of your viewings, or wait some seconds after closing its page."),
    ),
    "live-full": (N_("Too many cameras are being watched"), N_("Try again when somebody has ended a viewing.")),
    "board-moved": (N_("The list was made anew"), N_("Nothing was judged. Look at the board again.")),
    "bug": (
        N_("The server made a mistake"),
        N_("It is ours, not yours, and stands in the server's log. Try again; if it comes back, tell the operator."),
    ),
    "database": (N_("The database does not answer"), N_("Try again in a moment.")),
    "projections": (N_("The lists are being made"), N_("Try again in a moment.")),
    "behind": (N_("The lists have not come that far yet"), N_("Try again in a moment.")),
}
# What the health of a camera's picture is called, and how its recording stands.
TAMPERED: Final = {
    "black": N_("black"),
    "occluded": N_("covered up"),
    "defocused": N_("out of focus"),
    "frozen": N_("frozen"),
    "moved": N_("moved"),
}
CAMERA_STATES: Final = {"gap": N_("in a gap"), "stopped": N_("stopped"), "never": N_("nothing recorded yet")}

FAMILIES: Final = {
    400: (N_("This was refused"), N_("Nothing was changed.")),
    403: (N_("This is not allowed"), N_("Nothing was changed.")),
    404: (N_("This is not there"), N_("The list of cases is a good place to begin.")),
    409: (N_("This collides with what is recorded"), N_("Nothing was changed.")),
    422: (N_("The question is not well formed"), N_("Go back and look at the fields again.")),
    500: (N_("Evidence: the log is not what it must be"), N_("Keep this page and tell the operator and an auditor.")),
    503: (N_("A part of the server does not answer"), N_("Try again in a moment.")),
}

# What a complaint alleges, and the channel by which a matter came; a hall may have codes of its own.
ALLEGATIONS: Final = {
    "attitude": N_("attitude"),
    "absence": N_("nobody at the window"),
    "delay": N_("delay"),
    "refusal": N_("refused to take it in"),
    "fee": N_("fee without ground"),
    "advice": N_("wrong advice"),
    "papers": N_("papers asked for twice"),
    "other": N_("other"),
}
CHANNELS: Final = {
    "window": N_("at the window"),
    "phone": N_("by telephone"),
    "website": N_("website"),
    "portal": N_("website"),
    "microblog": N_("microblog"),
    "wechat": N_("WeChat"),
    "qq": N_("QQ"),
    "forum": N_("forum"),
    "sms": N_("text message"),
    "letter": N_("letter"),
    "kiosk": N_("machine in the hall"),
    "grid": N_("grid worker"),
    "grid_app": N_("grid worker"),
    "proxy": N_("by proxy"),
    "patrol": N_("patrol"),
    "green_channel": N_("green channel"),
}
