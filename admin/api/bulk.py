"""Actions on many jobs, as resources that can be followed and aborted."""

from uuid import UUID

from flask import abort, url_for
from flask.typing import ResponseReturnValue

from admin.api.conditional import json_answer
from admin.api.operations import InvalidRequest, operation
from admin.api.requests.base import Page
from admin.api.requests.bulk import JobsWanted, NewBulkAction
from admin.api.schemas.bulk import BulkAction, BulkActions
from admin.api.sent import changes_of
from admin.web.context import services, submitter
from shared.db.events import Actor
from shared.errors import UsageError
from shared.jobs import bulk_actions
from shared.jobs.bulk_actions import BulkAction as BulkActionRecord
from shared.jobs.bulk_actions import BulkOrder
from shared.jobs.filters import JobFilter

_NONE = {404: "There is no such bulk action."}


@operation("POST", "/bulk-actions", answer=BulkAction, status=202, body=NewBulkAction)
def ask_bulk_action(body: NewBulkAction) -> ResponseReturnValue:
    """Ask for an action on many jobs; it is done in the background.

    Its filter is frozen: jobs that come later are not touched. Jobs whose state does not allow it are left out, and
    counted as skipped: a retry and a deletion want an ended job, a cancel and a priority an open one, a clone one whose
    images are all there, at most 10,000.
    """
    try:
        order = BulkOrder(
            body.action,
            jobs=None if body.jobs is None else [str(job) for job in body.jobs],
            filter=None if body.filter is None else _filter(body.filter),
            codes=body.codes or (),
            priority=body.priority,
            changes=None if body.changes is None else changes_of(body.changes),
        )
    except UsageError as error:
        raise InvalidRequest.of("", str(error)) from error
    made = bulk_actions.ask(services().database, order, by=Actor.of_text(submitter()))
    answer = json_answer(BulkAction.of(made).model_dump_json(), 202)
    answer.headers["Location"] = url_for("api.see_bulk_action", bulk_id=made.id)
    return answer


@operation("GET", "/bulk-actions", answer=BulkActions, query=Page)
def list_bulk_actions(query: Page) -> BulkActions:
    """List the actions on many jobs, the newest first."""
    found = bulk_actions.bulk_actions(services().database, limit=query.limit + 1, before=query.before_id)
    page, following = query.cut(found)
    return BulkActions(bulk_actions=[BulkAction.of(action) for action in page], next=following)


@operation("GET", "/bulk-actions/<uuid:bulk_id>", answer=BulkAction, problems=_NONE)
def see_bulk_action(bulk_id: UUID) -> BulkAction:
    """Look at an action on many jobs."""
    return BulkAction.of(_found(bulk_id))


@operation(
    "POST",
    "/bulk-actions/<uuid:bulk_id>/abort",
    answer=BulkAction,
    problems=_NONE | {409: "It has ended already."},
)
def abort_bulk_action(bulk_id: UUID) -> BulkAction:
    """Stop an action on many jobs; what it has done stays done."""
    _found(bulk_id)
    stopped = bulk_actions.abort(services().database, str(bulk_id), by=Actor.of_text(submitter()))
    return BulkAction.of(stopped)


def _found(bulk_id: UUID) -> BulkActionRecord:
    try:
        return bulk_actions.bulk_action(services().database, str(bulk_id))
    except UsageError:
        abort(404)


def _filter(asked: JobsWanted) -> JobFilter:
    return JobFilter(
        states=tuple(asked.states or ()),
        kind=asked.kind,
        owner=asked.owner,
        since=asked.since.timestamp() if asked.since else None,
        until=asked.until.timestamp() if asked.until else None,
        text=asked.text,
        cause=asked.cause,
        model=asked.model,
    )
