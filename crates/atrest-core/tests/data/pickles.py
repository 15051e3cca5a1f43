"""Writes pickles.json: values, their pickles in protocols 2 to 5, and the text they should come out as."""
import pickle, json, datetime as d, decimal, uuid
tz=d.timezone
cases=[
("text",'Zoë 山田','Zoë 山田'),("empty",'',''),("long text",'x'*300,'x'*300),
("true",True,'true'),("false",False,'false'),
("0",0,'0'),("255",255,'255'),("65535",65535,'65535'),("-1",-1,'-1'),("big",2**62+1,str(2**62+1)),("-big",-2**62,str(-2**62)),("huge",2**126,str(2**126)),
("float",1.5,'1.5'),("1e20",1e20,'1e+20'),("1e-7",1e-7,'1e-07'),("0.1",0.1,'0.1'),("nan",float('nan'),'NaN'),("1e16",1e16,'1e+16'),
("decimal",decimal.Decimal('12.50'),'12.50'),
("date",d.date(2026,1,2),'2026-01-02'),
("datetime",d.datetime(2026,1,2,3,4,5,678),'2026-01-02 03:04:05.000678'),
("utc",d.datetime(2026,1,2,3,4,5,tzinfo=tz.utc),'2026-01-02 03:04:05+00:00'),
("offset",d.datetime(2026,1,2,3,4,5,tzinfo=tz(d.timedelta(hours=-3,minutes=-30))),'2026-01-02 03:04:05-03:30'),
("time",d.time(3,4,5),'03:04:05'),
("uuid",uuid.UUID('12345678-1234-5678-1234-567812345678'),'12345678-1234-5678-1234-567812345678'),
("uuid high",uuid.UUID('ffffffff-1234-5678-1234-567812345678'),'ffffffff-1234-5678-1234-567812345678'),
("dict",{"a":[1,2.5,None,True],"b":{"c":"é\n\""},"d":()},'{"a": [1, 2.5, null, true], "b": {"c": "é\\n\\""}, "d": []}'),
("list",["x","x",1,[],{}],'["x", "x", 1, [], {}]'),
("tuple",(1,2,3,4),'[1, 2, 3, 4]'),
("nested",[[[["deep"]]]],'[[[["deep"]]]]'),
("set",{1},None),("none",None,None),("complex",1j,None)]
out=[]
for name,v,t in cases:
    for p in (2,3,4,5):
        raw=pickle.dumps(v,p)
        want=t
        out.append(dict(repr=f"{name}, protocol {p}",pickle=raw.hex(),text=want))
print(len(out)); json.dump(out,open('pickles.json','w'),indent=0,ensure_ascii=False)
