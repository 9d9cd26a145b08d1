"""The one exception whose text is written for the person at the screen."""


class UserError(Exception):
    """Something a person can mend; the message is one sentence that says what is wrong and what to do.

    Pages and the command line show the message as it stands, without a traceback. Any other
    exception is a fault of ours.
    """
