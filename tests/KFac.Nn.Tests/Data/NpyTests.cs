using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class NpyTests
{
    [Fact]
    public void Reads_what_numpy_saved()
    {
        NpyArray<float> array = Npy.ReadSingle(NpyBytes.Open(NpyBytes.SavedByNumPy()));
        Assert.Equal([2, 3], array.Shape);
        Assert.Equal([1.5f, -2f, float.NaN, float.PositiveInfinity, 0f, 1e-40f], array.Values);
    }

    [Fact]
    public void Writes_the_bytes_that_numpy_saves()
    {
        using var stream = new MemoryStream();
        Npy.Write(stream, [2, 3], [1.5f, -2f, BitConverter.Int32BitsToSingle(0x7FC00000), float.PositiveInfinity, 0f, 1e-40f]);
        Assert.Equal(NpyBytes.SavedByNumPy(), stream.ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Reads_every_version_and_spelling_of_the_header(int version)
    {
        byte[] bytes = NpyBytes.Make("{\"shape\":(3,),\n\"fortran_order\" : False, 'descr': '<f8'}  ", NpyBytes.Doubles(1, 0.1, -3), version);
        NpyArray<float> array = Npy.ReadSingle(NpyBytes.Open(bytes));
        Assert.Equal([3], array.Shape);
        Assert.Equal([1f, 0.1f, -3f], array.Values);
    }

    [Fact]
    public void Reads_a_scalar_and_an_empty_array()
    {
        NpyArray<float> scalar = Npy.ReadSingle(
            NpyBytes.Open(NpyBytes.Make("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", NpyBytes.Doubles(4))));
        Assert.Empty(scalar.Shape);
        Assert.Equal([4f], scalar.Values);
        NpyArray<float> empty = Npy.ReadSingle(
            NpyBytes.Open(NpyBytes.Make("{'descr': '<f4', 'fortran_order': False, 'shape': (2147483647, 0, 2147483647), }", [])));
        Assert.Equal([int.MaxValue, 0, int.MaxValue], empty.Shape);
        Assert.Empty(empty.Values);
    }

    [Fact]
    public void Converts_int64_within_the_range_of_int32()
    {
        const string Header = "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }";
        NpyArray<int> array = Npy.ReadInt32(NpyBytes.Open(NpyBytes.Make(Header, NpyBytes.Longs(0, int.MaxValue, int.MinValue))));
        Assert.Equal([0, int.MaxValue, int.MinValue], array.Values);

        byte[] beyond = NpyBytes.Make(Header, NpyBytes.Longs(0, 1L << 31, 0));
        var exception = Assert.Throws<InvalidDataException>(() => Npy.ReadInt32(NpyBytes.Open(beyond)));
        Assert.Equal("X.npy holds 2147483648 at index 1 in C order, beyond the range of int32.", exception.Message);
    }

    [Fact]
    public void Float64_beyond_float32_is_refused_but_infinity_and_nan_pass()
    {
        const string Header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }";
        byte[] special = NpyBytes.Make(Header, NpyBytes.Doubles(double.NegativeInfinity, double.NaN, float.MaxValue));
        Assert.Equal([float.NegativeInfinity, float.NaN, float.MaxValue], Npy.ReadSingle(NpyBytes.Open(special)).Values);

        byte[] beyond = NpyBytes.Make(Header, NpyBytes.Doubles(0, 0, 1e39));
        var exception = Assert.Throws<InvalidDataException>(() => Npy.ReadSingle(NpyBytes.Open(beyond)));
        Assert.Equal("X.npy holds 1E+39 at index 2 in C order, beyond the range of float32.", exception.Message);
    }

    [Fact]
    public void Reads_in_pieces_of_any_size()
    {
        double[] values = [.. Enumerable.Range(0, 20_000).Select(static i => i / 7.0)];
        byte[] bytes = NpyBytes.Make("{'descr': '<f8', 'fortran_order': False, 'shape': (200, 100), }", NpyBytes.Doubles(values));
        using NpyReader reader = NpyBytes.Open(bytes, lengthKnown: false);
        var read = new float[values.Length];
        foreach ((int start, int end) in (ReadOnlySpan<(int, int)>)[(0, 1), (1, 1), (1, 10_000), (10_000, 20_000)])
        {
            reader.Read(read.AsSpan(start..end));
        }

        Assert.Equal(values.Select(static value => (float)value), read);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(new float[1]));
    }

    [Fact]
    public void Every_array_survives_a_round_trip_bit_for_bit()
    {
        Gen<int[]> shapes = Gen.Choose(0, 4).SelectMany(rank => Gen.Choose(0, 5).ArrayOf(rank));
        Gen<(int[] Shape, int[] Bits)> arrays = shapes.SelectMany(
            shape => Gen.Choose(int.MinValue, int.MaxValue).ArrayOf(shape.Aggregate(1, static (product, size) => product * size)),
            (shape, bits) => (shape, bits));
        Prop.ForAll(arrays.ToArbitrary(), array => RoundTrips(array.Shape, array.Bits)).QuickCheckThrowOnFailure();
    }

    private static bool RoundTrips(int[] shape, int[] bits)
    {
        using var stream = new MemoryStream();
        Npy.Write(stream, shape, bits.Select(BitConverter.Int32BitsToSingle).ToArray());
        NpyArray<float> read = Npy.ReadSingle(NpyBytes.Open(stream.ToArray()));
        return (stream.Length - (4L * bits.Length)) % 64 == 0
            && read.Shape.SequenceEqual(shape)
            && read.Values.Select(BitConverter.SingleToInt32Bits).SequenceEqual(bits);
    }
}
