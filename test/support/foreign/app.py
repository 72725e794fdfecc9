"""A web app on Flask with Authlib, as its documentation has it. Address and client come from the environment."""

import base64
import json
import os
from urllib.parse import urlencode

from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, redirect, session

ORIGIN = os.environ["ORIGIN"]

app = Flask(__name__)
app.secret_key = os.urandom(32)
tokens = {}
provider = OAuth(app).register(
    "latchkey",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=os.environ["ISSUER"] + "/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile offline_access", "code_challenge_method": "S256"},
    authorize_params={"prompt": "consent"},
)


def kid_of(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


@app.get("/login")
def login():
    return provider.authorize_redirect(ORIGIN + "/callback")


@app.get("/callback")
def callback():
    # Checks state, nonce and the signature of the ID token.
    tokens.update(provider.authorize_access_token())
    session["sub"] = tokens["userinfo"]["sub"]
    return redirect("/me")


@app.get("/me")
def me():
    if "sub" not in session:
        return jsonify(sub=None), 401
    info = provider.userinfo(token=tokens)
    return jsonify(sub=info["sub"], name=info["name"], kid=kid_of(tokens["id_token"]))


@app.get("/refresh")
def refresh():
    fresh = provider.fetch_access_token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    claims = provider.parse_id_token(fresh, nonce=tokens["userinfo"]["nonce"])
    tokens.update(fresh)
    return jsonify(sub=claims["sub"], kid=kid_of(fresh["id_token"]))


@app.get("/logout")
def logout():
    session.clear()
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": ORIGIN + "/"}
    return redirect(provider.load_server_metadata()["end_session_endpoint"] + "?" + urlencode(query))


app.run("127.0.0.1", int(os.environ["PORT"]))
