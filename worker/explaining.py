from shared.db.reasons import Reason


def explain(pixels):
    return Reason.UNLIKE_TRAINING
