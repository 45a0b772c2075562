"""People as directories send them one by one (SCIM 2.0, RFC 7643 and 7644).

``users`` says how a learner looks to a directory, ``filters`` which ones a directory asks for, ``taking_in`` what
becomes of what it sends. HTTP is spoken in the web app.
"""
