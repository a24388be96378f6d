"""The kinds of problems that the API answers with: stable words, by which programs tell one from another (RFC 9457)."""

from enum import StrEnum

PROBLEMS_PATH = "/api/v1/problems/"


class ProblemKind(StrEnum):
    """What went wrong, as the last part of a problem's `type`. Stable; `detail` is for people."""

    BAD_REQUEST = "bad-request"
    UNAUTHENTICATED = "no-token"
    NOT_ALLOWED = "not-allowed"
    NOT_FOUND = "not-found"
    WRONG_METHOD = "wrong-method"
    CONFLICT = "conflict"
    STILL_BEING_MADE = "still-being-made"
    TOO_LARGE = "too-large"
    WRONG_MEDIA_TYPE = "wrong-media-type"
    NO_SUCH_PART = "no-such-part"
    INVALID_VALUES = "invalid-values"
    IMAGE_UNUSABLE = "image-unusable"
    KEY_REUSED = "key-reused"
    TOO_MANY_REQUESTS = "too-many-requests"
    DEFECT = "defect"
    UNAVAILABLE = "unavailable"
    NO_WORKER = "no-worker"
    NOT_SEGMENTED_YET = "not-segmented-yet"
    NO_ROOM = "no-room"

    @property
    def type(self) -> str:
        """The `type` of the problem: the address of its description."""
        return PROBLEMS_PATH + self.value

    @property
    def meaning(self) -> str:
        """What it means and what to do, in a sentence."""
        return _MEANINGS[self]

    @classmethod
    def of_status(cls, status: int) -> "ProblemKind":
        """Return the kind of a problem of which nothing but its status is known."""
        return _OF_STATUS.get(status, cls.DEFECT if status >= 500 else cls.BAD_REQUEST)


_MEANINGS = {
    ProblemKind.BAD_REQUEST: "The request could not be understood; `detail` says why.",
    ProblemKind.UNAUTHENTICATED: "No token, or one that is unknown, revoked or expired: make one on the page Tokens.",
    ProblemKind.NOT_ALLOWED: "The token's role, or that of its account, may not do this: ask for an operator's.",
    ProblemKind.NOT_FOUND: "There is no such address, job, image or file, or it was removed.",
    ProblemKind.WRONG_METHOD: "The address knows other methods; the header `Allow` names them.",
    ProblemKind.CONFLICT: "The state of the job does not allow it: look at the job first.",
    ProblemKind.STILL_BEING_MADE: "The job of this Idempotency-Key is still being made: send it again later.",
    ProblemKind.TOO_LARGE: "The body, or each of its files, is larger than is taken at once; `detail` has the limit.",
    ProblemKind.WRONG_MEDIA_TYPE: "The body is of another type than the document names.",
    ProblemKind.NO_SUCH_PART: "The file has no such part: ask for it from its beginning.",
    ProblemKind.INVALID_VALUES: "Some values do not fit; `fields` names each with its reason.",
    ProblemKind.IMAGE_UNUSABLE: "The image cannot be segmented; `code` is the stable word for why, `detail` says it.",
    ProblemKind.KEY_REUSED: "The Idempotency-Key was sent with another request: give each submission its own.",
    ProblemKind.TOO_MANY_REQUESTS: "This token asks too often: wait for as many seconds as `Retry-After` says.",
    ProblemKind.DEFECT: "A fault of Delineate; the log of the admin has the request's id beside the reason.",
    ProblemKind.UNAVAILABLE: "A service is away or full, or too much is asked for at once: try again later.",
    ProblemKind.NO_WORKER: "No worker is running; the job, at `job`, waits for one and is segmented then.",
    ProblemKind.NOT_SEGMENTED_YET: "The wait is over and the job, at `job`, goes on: look there for its result.",
    ProblemKind.NO_ROOM: "The server has no room for temporary files just now: try again later.",
}
_OF_STATUS = {
    400: ProblemKind.BAD_REQUEST,
    401: ProblemKind.UNAUTHENTICATED,
    403: ProblemKind.NOT_ALLOWED,
    404: ProblemKind.NOT_FOUND,
    405: ProblemKind.WRONG_METHOD,
    409: ProblemKind.CONFLICT,
    413: ProblemKind.TOO_LARGE,
    415: ProblemKind.WRONG_MEDIA_TYPE,
    416: ProblemKind.NO_SUCH_PART,
    422: ProblemKind.INVALID_VALUES,
    429: ProblemKind.TOO_MANY_REQUESTS,
    503: ProblemKind.UNAVAILABLE,
    504: ProblemKind.NOT_SEGMENTED_YET,
    507: ProblemKind.NO_ROOM,
}
