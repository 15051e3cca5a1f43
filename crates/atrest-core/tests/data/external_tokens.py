"""Writes tokens of the real libraries: the golden file of crates/atrest-core/tests/data."""
import datetime, json, os, sys, decimal
from django.conf import settings
SECRET="django-insecure-Zoë-!made*up"
which=sys.argv[1]
if which=="old":
    settings.configure(SECRET_KEY=SECRET, FERNET_KEYS=["new one","old one"], INSTALLED_APPS=[])
else:
    settings.configure(SECRET_KEY=SECRET, SALT_KEY=["pepper","older pepper"], INSTALLED_APPS=[])
import django; django.setup()
out=[]
def add(fmt, keys, token, clear, **more):
    form="bytes" if isinstance(token,bytes) else "text"
    out.append(dict(format=fmt, keys=keys, form=form, token=token.hex() if form=="bytes" else token, clear=clear, **more))
if which=="old":
    import sqlalchemy as sa
    from sqlalchemy_utils import StringEncryptedType, EncryptedType
    from sqlalchemy_utils.types.encrypted.encrypted_type import FernetEngine
    for t,v,clear in [(sa.Unicode,"Zoë 山田","Zoë 山田"),(sa.String,"",""),(sa.Integer,42,"42"),(sa.Boolean,True,"true"),(sa.Date,datetime.date(2026,1,2),"2026-01-02"),(sa.Float,1.5,"1.5")]:
        add("sqlalchemy-utils",["s3cret wörds"],StringEncryptedType(t,"s3cret wörds",FernetEngine).process_bind_param(v,None),clear)
    add("sqlalchemy-utils",["s3cret"],EncryptedType(sa.Unicode,"s3cret",FernetEngine).process_bind_param("bytes",None),"bytes")
    import fernet_fields as ff
    from django.db import connection
    class C:
        class Database:
            Binary=bytes
    for f,v,clear in [(ff.EncryptedTextField(),"Zoë 山田","Zoë 山田"),(ff.EncryptedIntegerField(),-7,"-7"),(ff.EncryptedDateField(),datetime.date(2026,1,2),"2026-01-02")]:
        f.get_db_prep_value=lambda v,connection,prepared=False: v
        add("django-fernet-fields",["new one","old one"],f.get_db_prep_save(v,C),clear)
    from cryptography.fernet import Fernet
    from fernet_fields.hkdf import derive_fernet_key
    add("django-fernet-fields",["new one","old one"],Fernet(derive_fernet_key("old one")).encrypt(b"older"),"older")
    from django_cryptography.fields import encrypt
    from django.db import models
    for f,v,clear in [(models.TextField(),"Zoë 山田","Zoë 山田"),(models.IntegerField(),2**40,str(2**40)),(models.DateTimeField(),datetime.datetime(2026,1,2,3,4,5,6,tzinfo=datetime.timezone.utc),"2026-01-02 03:04:05.000006+00:00"),(models.DecimalField(),decimal.Decimal("12.50"),"12.50"),(models.JSONField(),{"a":[1,None]},'{"a": [1, null]}')]:
        add("django-cryptography",[SECRET],bytes(encrypt(f)._dump(v)),clear)
else:
    from encrypted_fields import fields as ef
    for f,v,clear in [(ef.EncryptedTextField(),"Zoë 山田","Zoë 山田"),(ef.EncryptedIntegerField(),42,"42"),(ef.EncryptedDateField(),datetime.date(2026,1,2),"2026-01-02"),(ef.EncryptedBooleanField(),True,"True"),(ef.EncryptedFloatField(),1.5,"1.5"),
        (ef.EncryptedJSONField(),{"a":["x\"",1,None],"b":{"ü":True},"e":[]},'{"a": ["x\\"", "1", "None"], "b": {"\\u00fc": "True"}, "e": []}'),(ef.EncryptedJSONField(),"alone",'"alone"')]:
        add("django-fernet-encrypted-fields",[SECRET],f.get_prep_value(v),clear,salts=["pepper","older pepper"])
path=sys.argv[2]
old=json.load(open(path)) if os.path.exists(path) else []
json.dump(old+out,open(path,"w"),indent=1,ensure_ascii=False); print(len(old+out))
