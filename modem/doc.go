// Package modem has the words in which a cellular modem is spoken of: what it is,
// which SIM it holds, where it is registered, what it hears, which bearers it has,
// and how it sleeps; and what is done about a link that is gone.
//
// A back end (modem/at, modem/mm) keeps one [State] up to date from what the modem says by
// itself, and hands a copy to whoever watches with each change. It must not know
// LwM2M, nor who watches.
package modem
