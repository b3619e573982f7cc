"""The drop-based channel model of 3GPP TR 38.901, clause 7.5, step by step.

antennas      element patterns, polarisation, orientation      clauses 7.1, 7.3
pathloss      path loss, shadowing, line of sight, walls       clause 7.4
tables        parameters of every scenario and release         tables 7.5-6 to 7.5-11
large_scale   correlated spreads, K factor and shadowing       step 4
rays          delays, powers and angles of clusters and rays   steps 5 to 9
coefficients  the impulse response between two arrays          steps 10 and 11
drops         whole data sets from (key, config)               steps 1 to 3
mimo          drops as matrices of two arrays
"""
