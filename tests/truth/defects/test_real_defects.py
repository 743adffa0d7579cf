REAL = ()
