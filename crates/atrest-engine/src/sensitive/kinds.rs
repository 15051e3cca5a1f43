//! The names that sensitive values go by, as data.

use super::Confidence::{self, High, Low, Medium};
use super::Suggestion;

/// A kind of sensitive value, and the names it goes by.
pub(super) struct Kind {
    pub(super) what: &'static str,
    pub(super) confidence: Confidence,
    pub(super) suggested: Suggestion,
    /// Numbers can be it, so that a numeric column counts too.
    pub(super) numeric: bool,
    /// Phrases, separated by commas; written together they count as well
    /// ("firstname").
    pub(super) phrases: &'static str,
}

const fn kind(what: &'static str, confidence: Confidence, phrases: &'static str) -> Kind {
    Kind {
        what,
        confidence,
        suggested: Suggestion::Encrypt,
        numeric: false,
        phrases,
    }
}

const fn number(what: &'static str, confidence: Confidence, phrases: &'static str) -> Kind {
    Kind {
        what,
        confidence,
        suggested: Suggestion::Encrypt,
        numeric: true,
        phrases,
    }
}

/// English first, then common German, French and Spanish words. A longer phrase
/// is tried before a shorter one, so "ip address" is not an address.
pub(super) const KINDS: &[Kind] = &[
    kind(
        "an e-mail address",
        High,
        "email, e mail, email address, e mail address, mail address, courriel, correo, correo \
         electronico, mailadresse, emailadresse",
    ),
    number(
        "a telephone number",
        High,
        "phone, phone number, phone no, mobile, mobile number, mobile phone, cell phone, \
         telephone, fax, fax number, msisdn, telefon, telefonnummer, handynummer, handy, \
         mobilnummer, telefono, movil",
    ),
    kind(
        "a person's name",
        High,
        "first name, last name, full name, given name, family name, middle name, maiden name, \
         surname, forename, contact name, customer name, patient name, person name, vorname, \
         nachname, familienname, geburtsname, prenom, nom de famille, apellido, apellidos",
    ),
    kind(
        "a name somebody is known by",
        Medium,
        "user name, display name, nick name, login name, nutzername, benutzername",
    ),
    kind(
        "a postal address",
        High,
        "address, street, address line, street address, home address, postal address, billing \
         address, shipping address, adresse, anschrift, strasse, hausnummer, direccion, \
         domicilio",
    ),
    number(
        "a postal code",
        Medium,
        "postal code, post code, zip, zip code, plz, postleitzahl, code postal, codigo postal",
    ),
    number(
        "a date of birth",
        High,
        "birth date, date of birth, birth day, dob, birth, born on, geburtsdatum, geburtstag, \
         date de naissance, naissance, fecha de nacimiento, nacimiento",
    ),
    number(
        "a national or tax id",
        High,
        "ssn, social security, social security number, national id, identity number, id card, \
         passport, passport number, passport id, driver license, driving licence, tax id, tax \
         number, vat id, nin, nino, dni, nif, nie, steuernummer, steuer id, \
         sozialversicherungsnummer, ausweisnummer, personalausweis, securite sociale, \
         pasaporte",
    ),
    number(
        "a bank account or card",
        High,
        "iban, bank account, account number, account no, routing number, sort code, card \
         number, credit card, debit card, cvv, cvc, pan, kontonummer, kreditkarte, tarjeta, \
         carte bancaire",
    ),
    Kind {
        what: "a password",
        confidence: High,
        suggested: Suggestion::Hash,
        numeric: false,
        phrases: "password, passwd, pwd, passphrase, passwort, kennwort, mot de passe, contrasena",
    },
    kind(
        "a secret of a program",
        High,
        "secret, api key, access key, private key, secret key, client secret, credential, \
         credentials, access token, refresh token, auth token, otp secret, totp",
    ),
    kind(
        "a token that lets somebody in",
        Medium,
        "token, session key, session token, recovery code",
    ),
    kind(
        "a biometric feature",
        High,
        "face, face template, face encoding, face embedding, facial, biometric, biometrics, \
         fingerprint, finger print, iris, retina, voice print, voiceprint, gesicht, \
         fingerabdruck",
    ),
    kind(
        "a feature vector or template",
        Medium,
        "embedding, embeddings, template data, feature vector, descriptor vector",
    ),
    kind("a feature vector or template", Low, "encoding, template"),
    kind(
        "medical data",
        High,
        "medical, diagnosis, diagnoses, icd, icd10, disease, allergy, allergies, blood type, \
         blood group, health, prescription, medication, disability, diagnose, krankheit, \
         befund, maladie, enfermedad, diagnostico",
    ),
    number(
        "pay",
        High,
        "salary, wage, income, gehalt, lohn, einkommen, salaire, salario, sueldo",
    ),
    kind(
        "belief, origin or orientation",
        High,
        "religion, ethnicity, race, sexual orientation, political party, konfession",
    ),
    number("gender or sex", Low, "gender, sex, geschlecht, sexe, sexo"),
    kind(
        "a network address",
        Medium,
        "ip, ip address, ipv4, ipv6, remote addr, remote address, client ip, mac address, \
         ipaddr",
    ),
    number(
        "a place on earth",
        Medium,
        "latitude, longitude, lat, lng, lon, geo, gps, geolocation, coordinates",
    ),
    kind("a place", Low, "location, position"),
    kind(
        "a picture's box or what it shows",
        Low,
        "bbox, bounding box, label, labels, annotation, annotations, license plate, licence \
         plate, kennzeichen",
    ),
    kind(
        "free text",
        Low,
        "note, notes, message, comment, comments, remark, remarks, message body, notiz, \
         bemerkung, nachricht, kommentar, commentaire, message text, mensaje, nota, notas, \
         comentario",
    ),
];

/// The items of one of these lists.
pub(super) fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(", ")
}

/// Words after a phrase that turn it into something about the thing, not the
/// thing itself: "email_verified", "message_count", "password_changed_at".
pub(super) const ABOUT: &str = "id, uuid, count, at, on, type, kind, status, state, verified, confirmed, enabled, \
         disabled, sent, flag, version, hash, digest, format, size, length, width, height, \
         score, quality, expires, expiry, ttl, template, subject, language, class, category, \
         index, order, required, attempts, policy, hint";

/// Tables that hold people, so that a bare "name" or "city" is somebody's.
pub(super) const PEOPLE: &str = "customer, employee, user, person, people, patient, member, contact, student, \
         teacher, staff, client, guest, profile, account, subscriber, applicant, candidate, \
         recipient, passenger, tenant, visitor, worker, child, children, parent, donor, \
         voter, kunde, kunden, mitarbeiter, benutzer, personen, patienten, mitglied, \
         mitglieder, utilisateur, employe, usuario, cliente, empleado, persona, personas, \
         paciente";
