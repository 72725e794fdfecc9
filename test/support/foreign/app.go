// A web app with go-oidc and oauth2, as their documentation has it. Address and client come from the environment.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	oidc "github.com/coreos/go-oidc"
	"golang.org/x/oauth2"
)

func random() string {
	bytes := make([]byte, 32)
	if _, err := rand.Read(bytes); err != nil {
		log.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(bytes)
}

func kidOf(token string) string {
	var head struct{ Kid string }
	bytes, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	_ = json.Unmarshal(bytes, &head)
	return head.Kid
}

type attempt struct{ nonce, verifier string }

type person struct {
	token *oauth2.Token
	id    string
}

func main() {
	ctx := context.Background()
	origin := os.Getenv("ORIGIN")
	provider, err := oidc.NewProvider(ctx, os.Getenv("ISSUER"))
	if err != nil {
		log.Fatal(err)
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		log.Fatal(err)
	}
	config := oauth2.Config{
		ClientID:     os.Getenv("CLIENT_ID"),
		ClientSecret: os.Getenv("CLIENT_SECRET"),
		Endpoint:     provider.Endpoint(),
		RedirectURL:  origin + "/callback",
		Scopes:       []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess},
	}
	// Keeps the keys, and looks for new ones when it meets an unknown one.
	verifier := provider.Verifier(&oidc.Config{ClientID: config.ClientID})

	var lock sync.Mutex
	attempts := map[string]attempt{}
	people := map[string]*person{}
	signedIn := func(r *http.Request) (string, *person) {
		cookie, err := r.Cookie("person")
		if err != nil {
			return "", nil
		}
		return cookie.Value, people[cookie.Value]
	}
	handle := func(path string, work func(w http.ResponseWriter, r *http.Request) error) {
		http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			lock.Lock()
			defer lock.Unlock()
			if err := work(w, r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	answer := func(w http.ResponseWriter, body interface{}) error {
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(body)
	}

	handle("/login", func(w http.ResponseWriter, r *http.Request) error {
		state, one := random(), attempt{random(), random()}
		attempts[state] = one
		challenge := sha256.Sum256([]byte(one.verifier))
		http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(one.nonce),
			oauth2.SetAuthURLParam("prompt", "consent"),
			oauth2.SetAuthURLParam("code_challenge", base64.RawURLEncoding.EncodeToString(challenge[:])),
			oauth2.SetAuthURLParam("code_challenge_method", "S256")), http.StatusFound)
		return nil
	})
	handle("/callback", func(w http.ResponseWriter, r *http.Request) error {
		one, known := attempts[r.URL.Query().Get("state")]
		if !known {
			http.Error(w, "unknown state", http.StatusBadRequest)
			return nil
		}
		delete(attempts, r.URL.Query().Get("state"))
		token, err := config.Exchange(ctx, r.URL.Query().Get("code"), oauth2.SetAuthURLParam("code_verifier", one.verifier))
		if err != nil {
			return err
		}
		raw, _ := token.Extra("id_token").(string)
		id, err := verifier.Verify(ctx, raw)
		if err != nil {
			return err
		}
		if id.Nonce != one.nonce {
			http.Error(w, "wrong nonce", http.StatusBadRequest)
			return nil
		}
		handle := random()
		people[handle] = &person{token, raw}
		http.SetCookie(w, &http.Cookie{Name: "person", Value: handle, Path: "/", HttpOnly: true})
		http.Redirect(w, r, "/me", http.StatusFound)
		return nil
	})
	handle("/me", func(w http.ResponseWriter, r *http.Request) error {
		_, one := signedIn(r)
		if one == nil {
			http.Error(w, "{}", http.StatusUnauthorized)
			return nil
		}
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(one.token))
		if err != nil {
			return err
		}
		var claims struct{ Name string }
		if err := info.Claims(&claims); err != nil {
			return err
		}
		return answer(w, map[string]string{"sub": info.Subject, "name": claims.Name, "kid": kidOf(one.id)})
	})
	handle("/refresh", func(w http.ResponseWriter, r *http.Request) error {
		_, one := signedIn(r)
		fresh, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: one.token.RefreshToken}).Token()
		if err != nil {
			return err
		}
		raw, _ := fresh.Extra("id_token").(string)
		id, err := verifier.Verify(ctx, raw)
		if err != nil {
			return err
		}
		one.token, one.id = fresh, raw
		return answer(w, map[string]string{"sub": id.Subject, "kid": kidOf(raw)})
	})
	handle("/logout", func(w http.ResponseWriter, r *http.Request) error {
		handle, one := signedIn(r)
		delete(people, handle)
		query := url.Values{"id_token_hint": {one.id}, "post_logout_redirect_uri": {origin + "/"}}
		http.Redirect(w, r, more.EndSession+"?"+query.Encode(), http.StatusFound)
		return nil
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
