"""The page of one's own account: its sessions, and its password."""

from uuid import UUID

from flask import Blueprint, abort, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField
from wtforms.validators import EqualTo, InputRequired

from admin.domain import accounts, queries, sessions
from admin.pages.formats import capitalize_first
from admin.web.context import account_name, services
from admin.web.guard.auth import password_error
from admin.web.guard.security_log import note
from shared.errors import UsageError

blueprint = Blueprint("account", __name__, url_prefix="/account")


class PasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, and the old one."""

    password = PasswordField("Your password now", validators=[InputRequired("Give your password.")])
    new = PasswordField(
        "New password",
        validators=[InputRequired("Give a new password.")],
        description=f"{accounts.MIN_PASSWORD_LENGTH} characters or more: four words of your own make a good one.",
    )
    again = PasswordField("The new one again", validators=[EqualTo("new", "The two are not the same.")])
    revoke_tokens = BooleanField("Revoke my tokens too")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The account's sessions, and the form for another password."""
    return _page(PasswordForm(formdata=None))


@blueprint.post("/password")
def change_password() -> ResponseReturnValue:
    """Change the password: all other sessions end."""
    form = PasswordForm()
    if not form.validate_on_submit():
        return _page(form), 400
    if wrong := password_error(form.password.data):
        form.password.errors = [wrong]
        return _page(form), 400
    try:
        accounts.set_password(
            services().database, account_name(), form.new.data, keep_session=g.session.id,
            revoke_tokens=form.revoke_tokens.data,
        )  # fmt: skip
    except UsageError as error:
        form.new.errors = [f"{capitalize_first(str(error))}."]
        return _page(form), 400
    note("password_changed", "password changed")
    flash("Your password is changed, and your other sessions have ended.")
    return redirect(url_for("account.index"))


@blueprint.post("/sessions/<uuid:session_id>/end")
def end_session(session_id: UUID) -> ResponseReturnValue:
    """End one of the account's sessions."""
    try:
        sessions.end(services().database, str(session_id), user_name=account_name())
    except UsageError:
        abort(404)
    note("session_ended", f"session {session_id} ended")
    flash("That session has ended.")
    return redirect(url_for("account.index"))


@blueprint.post("/sessions/end-others")
def end_others() -> ResponseReturnValue:
    """End all of the account's sessions but this one."""
    ended = sessions.end_others(services().database, account_name(), but=g.session.id)
    note("session_ended", f"{ended} other sessions ended")
    flash(f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return redirect(url_for("account.index"))


def _page(form: PasswordForm) -> str:
    database = services().database
    return render_template(
        "account.html",
        form=form,
        sessions=sessions.sessions(database, account_name()),
        this=g.session.id,
        now=queries.now(database),
    )
