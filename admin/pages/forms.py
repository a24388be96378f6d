"""The forms, their limits and what they say about a value that does not fit."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypedDict, TypeVar

from flask_wtf import FlaskForm
from flask_wtf.file import MultipleFileField
from wtforms import BooleanField, FloatField, HiddenField, IntegerField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from admin.domain.request_keys import MAX_KEY_LENGTH
from admin.pages.formats import capitalize_first
from admin.web.context import services
from admin.web.delivery.limits import MAX_FILES, MAX_IMAGES
from admin.web.delivery.uploads import visible
from shared.db.model_registry import Model, ModelRegistry
from shared.errors import UsageError
from shared.flows.pages import FIRST_PAGE, PageChoice, pages_of_text
from shared.flows.synthetic import MAX_DOTS, MAX_JITTER, MAX_SEED, SyntheticSpec
from shared.images.channel_choice import AUTO, channel_of
from shared.images.scale import scale_of
from shared.jobs.records import Unfamiliar
from shared.objects.options import MAX_MIN_AREA, MAX_SMOOTH, PostProcessing
from shared.pixel_size import PixelSize
from shared.synth import DEFAULT_DEFINITION, DEFINITIONS, NOISE_LABELS

_NOISE_CHOICES = {"": "As in the benchmark, drawn for each image", **NOISE_LABELS}
Filter = Callable[[Any], Any]


def _stripped(text: str | None) -> str:
    return visible(text or "").strip()


class _InRange(NumberRange):  # type: ignore[misc]
    """A range that a number of any length is held against: WTForms makes a float of it, which has 309 digits."""

    def __call__(self, form: Any, field: Any) -> None:
        try:
            super().__call__(form, field)
        except OverflowError as error:
            raise ValidationError(self.message) from error


def _key_field() -> HiddenField:
    """What makes a form that is sent twice one submission, see admin.web.once."""
    return HiddenField(default=lambda: secrets.token_urlsafe(16), validators=[Length(max=MAX_KEY_LENGTH)])


def _name_field(default_name: str) -> StringField:
    return StringField(
        "Name",
        filters=[_stripped],
        validators=[Length(max=200, message="Use at most 200 characters.")],
        description=f"Optional. Without one the job is called “{default_name}”.",
    )


def _number(field: Any, label: str, low: float, high: float, description: str, **options: Any) -> Any:
    required = "default" in options
    return field(
        label,
        validators=[
            InputRequired("Give a number.") if required else Optional(),
            _InRange(low, high, message=f"Use a number from {low:,} to {high:,}."),
        ],
        description=description,
        render_kw={"min": low, "max": high, "step": options.pop("step", 1)},
        **options,
    )


class _JobForm(FlaskForm):  # type: ignore[misc]
    """What each of the forms asks: which network segments, and where its map is cut."""

    request_key = _key_field()
    model = SelectField("Model", default="", description="What segments the images. The page Models tells of each.")
    threshold = _number(
        FloatField, "Threshold", 0.01, 0.99, "Foreground is what is as probable or more. Empty: the model’s own.",
        step=0.01,
    )  # fmt: skip

    def __init__(self, *values: Any, models: Sequence[Model] = (), active: Model | None = None, **options: Any) -> None:
        """Offer the published models, and first the one that new jobs get; the rest is for the form itself."""
        super().__init__(*values, **options)
        usual = f"The active one: {_model_label(active)}" if active else "Each worker’s own; none is active"
        self.model.choices = [("", usual), *((model.sha256, _model_label(model)) for model in models)]


Form = TypeVar("Form", bound=_JobForm)


def form_of(kind: type[Form], *values: Any, **options: Any) -> Form:
    """Return a form of this kind that offers the published models; `values` and `options` are FlaskForm's."""
    registry = ModelRegistry(services().database, services().store)
    return kind(*values, models=registry.models(), active=registry.active(), **options)


def _model_label(model: Model) -> str:
    return f"{visible(model.name)} ({model.sha256[:12]})"


class SyntheticForm(_JobForm):
    """A synthetic job; the fields are those of `SyntheticSpec`."""

    name = _name_field("synthetic")
    count = _number(IntegerField, "Images", 1, MAX_IMAGES, "The command producer demo makes more at once.", default=100)
    num_dots = _number(IntegerField, "Dots in a shape", 1, MAX_DOTS, "Empty: 15 to 80, drawn for each image.")
    jitter = _number(
        FloatField, "Jitter", 0, MAX_JITTER, "How far dots stray, as a share of the image’s side. "
        "Empty: 0 to 0.02, drawn for each image.", step=0.001,
    )  # fmt: skip
    severity_from = _number(FloatField, "Severity from", 0, 1, "Noise of the first image.", default=0, step=0.05)
    severity_to = _number(FloatField, "Severity to", 0, 1, "Noise of the last image.", default=1, step=0.05)
    noise = SelectField("Noise", choices=[SelectChoice(*each) for each in _NOISE_CHOICES.items()], default="")
    definition = SelectField(
        "Definition", choices=list(DEFINITIONS), default=DEFAULT_DEFINITION, description="Of the task: what is drawn."
    )
    seed = _number(IntegerField, "Seed", 0, MAX_SEED, "The same seed gives the same images.", default=0)

    def validate_severity_to(self, field: Any) -> None:
        """The second severity is not below the first."""
        if field.data is not None and self.severity_from.data is not None and field.data < self.severity_from.data:
            raise ValidationError("Use a number that is not smaller than the one it starts from.")

    def asked(self) -> dict[str, Any]:
        """Return what was filled in, as the query of an address."""
        values = {field.name: field.data for field in self if field.name not in ("request_key", "csrf_token")}
        return {name: value for name, value in values.items() if value not in (None, "")}

    def spec(self) -> SyntheticSpec:
        """Return what a valid form asks for."""
        return SyntheticSpec(
            count=self.count.data,
            seed=self.seed.data,
            num_dots=self.num_dots.data,
            jitter=self.jitter.data,
            severity_from=self.severity_from.data,
            severity_to=self.severity_to.data,
            noise=self.noise.data or None,
            definition=self.definition.data,
        )


class AskedOfJob(TypedDict):
    """What a form of images asks of its job, by the names that `create_job` and `submit_images` have for it."""

    name: str
    scale: float
    unfamiliar: Unfamiliar
    channel: str
    pixel_size: PixelSize | None
    model: str | None
    threshold: float | None


class _ScaledForm(_JobForm):
    """What forms of jobs ask whose images come from outside: by how much the network sees them resampled."""

    scale = StringField(
        "Scale",
        filters=[_stripped],
        description="Resamples the images for the network: 0.25 where dots lie four times as far apart as usual (12 to "
        "32 px); “auto”: each image by the spacing of its dots. Masks keep the images’ size. Empty: 1.",
    )

    def validate_scale(self, field: Any) -> None:
        """A number in range, or the word."""
        try:
            scale_of(field.data or "1")
        except UsageError as error:
            raise ValidationError(f"{error}.".replace("scale", "Scale", 1)) from error

    def factor(self) -> float:
        """Return by how much images are resampled, as `Job.scale` has it."""
        return scale_of(self.scale.data or "1")


class CloneForm(_ScaledForm):
    """The inputs of a job once more."""

    name = _name_field("as the first, again")


class ImagesForm(_ScaledForm):
    """What is asked of a job of the user's own images, which come file by file afterwards."""

    name = _name_field("upload")
    unfamiliar = SelectField(
        "Unfamiliar images",
        choices=[SelectChoice(Unfamiliar.FLAG, "Flag them"), SelectChoice(Unfamiliar.REFUSE, "Refuse them")],
        default=Unfamiliar.FLAG,
        description="Images unlike anything that the model knows: marked in the results, or not segmented at all.",
    )
    pages = StringField(
        "Pages",
        filters=[_stripped],
        description="Of a TIFF of several pages: all, one such as 3, or some such as 1-10, each as an image of its "
        "own. Empty: the first.",
    )
    channel = StringField(
        "Channel",
        filters=[_stripped],
        description="Of images in colour or of several channels: a number from 1, red, green, blue, luma, mean or max. "
        "Empty: what shows most, with a note of what was taken.",
    )
    pixel_size = StringField(
        "Pixel size",
        filters=[_stripped],
        description="With its unit, such as 0.65um or 0.5x0.6um; areas and lengths come in µm too. Empty: what each "
        "TIFF says of its own.",
    )
    smooth = _number(
        IntegerField, "Smooth by", 0, MAX_SMOOTH, "px: each pixel of a mask is as most are around it. Empty: not."
    )
    fill_holes = BooleanField("Fill holes", description="What an object encloses becomes part of it.")
    min_area = _number(
        IntegerField, "Smallest object", 0, MAX_MIN_AREA, "px²: objects of fewer pixels are dropped. Empty: none is."
    )
    keep_largest = BooleanField("Keep the largest object alone", description="All others are dropped.")

    def validate_pages(self, field: Any) -> None:
        """A choice of pages."""
        try:
            pages_of_text(field.data or FIRST_PAGE.text)
        except UsageError as error:
            raise ValidationError(f"{error}.".replace("pages", "Pages", 1)) from error

    def validate_channel(self, field: Any) -> None:
        """A number, or one of the words."""
        try:
            channel_of(field.data or AUTO)
        except UsageError as error:
            raise ValidationError(f"{error}.".replace("channel", "Channel", 1)) from error

    def validate_pixel_size(self, field: Any) -> None:
        """A size with its unit."""
        try:
            size_of_pixels(field.data)
        except UsageError as error:
            raise ValidationError(f"{capitalize_first(str(error))}.") from error

    def postprocessing(self) -> PostProcessing:
        """Return what a valid form asks to be done to masks."""
        return PostProcessing(
            smooth=self.smooth.data or 0,
            fill_holes=self.fill_holes.data,
            min_area=self.min_area.data or 0,
            keep_largest=self.keep_largest.data,
        )

    def asked(self) -> AskedOfJob:
        """Return what a valid form asks of its job."""
        return AskedOfJob(
            name=self.name.data or "upload",
            scale=self.factor(),
            unfamiliar=Unfamiliar(self.unfamiliar.data),
            channel=channel_of(self.channel.data or AUTO),
            pixel_size=size_of_pixels(self.pixel_size.data),
            model=self.model.data or None,
            threshold=self.threshold.data,
        )

    def pages_chosen(self) -> PageChoice:
        """Return which pages of its files a valid form asks for."""
        return pages_of_text(self.pages.data or FIRST_PAGE.text)


class UploadForm(ImagesForm):
    """Some images of the user's own, which come with the form."""

    images = MultipleFileField("Images")

    def validate_images(self, field: Any) -> None:
        """At least one file, and not too many."""
        # A browser sends one part without a name where no file was chosen.
        field.data = [file for file in chosen(field.data) if file.filename]
        if not field.data:
            raise ValidationError("Choose at least one image.")
        if len(field.data) > MAX_FILES:
            raise ValidationError(f"Choose at most {MAX_FILES} images; `producer submit` takes any number.")


def size_of_pixels(text: str | None) -> PixelSize | None:
    """Return the pixel size that was written, None for an empty field.

    Raises:
        UsageError: it is none.
    """
    return PixelSize.parse(text) if text else None


def chosen(data: Iterable[Any] | None) -> list[Any]:
    """Return the uploaded files of a field, without the empty text that stands for none."""
    return [file for file in data or () if not isinstance(file, str)]
