"""The page of an account's own API tokens."""

from uuid import UUID

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import PasswordField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length

from admin.domain import queries, tokens
from admin.domain.roles import Role
from admin.pages.formats import capitalize_first
from admin.web.context import account_name, role, services
from admin.web.guard.auth import password_error
from admin.web.guard.security_log import note, shown
from shared.errors import UsageError

_DAYS = {"30": "30 days", "90": "90 days", "365": "A year", "": "Until it is revoked"}

blueprint = Blueprint("tokens", __name__, url_prefix="/tokens")


class TokenForm(FlaskForm):  # type: ignore[misc]
    """A new token."""

    name = StringField(
        "Name",
        filters=[lambda text: (text or "").strip()],
        validators=[InputRequired("Give it a name."), Length(max=tokens.MAX_NAME_LENGTH)],
        description="What it is for, such as the script or the machine that will use it.",
    )
    role = SelectField("May", choices=[SelectChoice(Role.VIEWER, "look and download")])
    days = SelectField("Valid for", choices=[SelectChoice(days, text) for days, text in _DAYS.items()], default="90")
    password = PasswordField(
        "Your password", validators=[InputRequired("Give your password.")], description="A token outlives the session."
    )


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The account's tokens, and the form for another."""
    return _page(_form())


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Make a token and show it, once: it is in this page alone, which nobody keeps."""
    form = _form()
    if not form.validate_on_submit():
        return _page(form), 400
    if wrong := password_error(form.password.data):
        form.password.errors = [wrong]
        return _page(form), 400
    days = int(form.days.data) if form.days.data else None
    try:
        made = tokens.create(services().database, account_name(), form.name.data, Role(form.role.data), days=days)
    except UsageError as error:
        form.name.errors = [*form.name.errors, f"{capitalize_first(str(error))}."]
        return _page(form), 400
    note("token_created", f"token {shown(form.name.data)} made, {form.role.data}")
    return _page(_form(fresh=True), made=made, made_name=form.name.data), 201


@blueprint.post("/<uuid:token_id>/revoke")
def revoke(token_id: UUID) -> ResponseReturnValue:
    """Revoke a token of this account."""
    try:
        tokens.revoke(services().database, str(token_id), user_name=account_name())
    except UsageError:
        abort(404)
    note("token_revoked", f"token {token_id} revoked")
    flash("Revoked: the token opens nothing any more.")
    return redirect(url_for("tokens.index"))


def _form(*, fresh: bool = False) -> TokenForm:
    form = TokenForm(formdata=None) if fresh else TokenForm()
    if role().may_review:
        form.role.choices = [*form.role.choices, SelectChoice(Role.REVIEWER, "also grade and correct results")]
    if role().may_change:
        form.role.choices = [*form.role.choices, SelectChoice(Role.OPERATOR, "also submit, cancel and retry")]
    return form


def _page(form: TokenForm, *, made: str | None = None, made_name: str = "") -> str:
    database = services().database
    return render_template(
        "tokens.html",
        form=form,
        made=made,
        made_name=made_name,
        tokens=tokens.tokens(database, account_name()),
        now=queries.now(database),
    )
