using Xunit;

namespace KFac.Nn.Tests;

public sealed class NpyMalformedTests
{
    private const string Valid = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";

    [Theory]
    [InlineData("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "type '>f4'; wanted little-endian <f4, <f8, <i4 or <i8")]
    [InlineData("{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", "type '<f2'")]
    [InlineData("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "type '|O'")]
    [InlineData("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,), }", "a structured type")]
    [InlineData("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", "is in Fortran order; wanted C order")]
    [InlineData("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", "neither True nor False")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "not a whole number")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2147483648,), }", "not a whole number from 0 to 2147483647")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "not a whole number")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536), }", "too many elements")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2147483647, 2147483647, 2147483647, 2147483647), }", "too many elements")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", "'(' is missing")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", "'}' is missing")]
    [InlineData("{'descr': '<f4', 'shape': (2,), }", "lacks one of the keys")]
    [InlineData("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "'descr' is unknown or given twice")]
    [InlineData("{'descr': '<f4', 'order': 'C', 'fortran_order': False, 'shape': (2,), }", "'order' is unknown or given twice")]
    [InlineData("{'descr': '<f4, 'fortran_order': False, 'shape': (2,), }", "")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", "text follows")]
    [InlineData("{'descr", "does not end")]
    [InlineData("", "'{' is missing")]
    public void Header_is_refused_and_named(string header, string problem)
    {
        var exception = Assert.Throws<InvalidDataException>(() => NpyBytes.Open(NpyBytes.Make(header, new byte[8])));
        Assert.StartsWith("X.npy ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(problem, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(9)]
    public void Wrong_amount_of_data_is_refused_before_it_is_read(int bytes)
    {
        var exception = Assert.Throws<InvalidDataException>(() => NpyBytes.Open(NpyBytes.Make(Valid, new byte[bytes])));
        Assert.Equal($"X.npy has {bytes} bytes of data; wanted 8 for shape (2,) of <f4.", exception.Message);
    }

    [Fact]
    public void A_huge_shape_over_little_data_is_refused_without_allocating_it()
    {
        byte[] bytes = NpyBytes.Make("{'descr': '<f8', 'fortran_order': False, 'shape': (2147483647,), }", new byte[8]);
        var exception = Assert.Throws<InvalidDataException>(() => NpyBytes.Open(bytes));
        Assert.Contains("8 bytes of data; wanted 17179869176", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stream_that_ends_early_is_refused_where_its_length_is_not_known()
    {
        using NpyReader reader = NpyBytes.Open(NpyBytes.Make(Valid, new byte[7]), lengthKnown: false);
        var exception = Assert.Throws<InvalidDataException>(() => Npy.ReadSingle(reader));
        Assert.Equal("X.npy ends before its 2 elements of shape (2,) are complete.", exception.Message);
    }

    [Fact]
    public void Every_truncation_of_a_valid_file_is_refused()
    {
        byte[] bytes = NpyBytes.SavedByNumPy();
        for (int length = 0; length < bytes.Length; length++)
        {
            byte[] truncated = bytes[..length];
            Assert.Throws<InvalidDataException>(() => NpyBytes.Open(truncated));
        }
    }

    [Fact]
    public void Other_files_and_versions_are_refused()
    {
        byte[] bytes = NpyBytes.SavedByNumPy();
        bytes[0] = 0x50;
        Assert.Contains("is not a .npy file", Message(bytes), StringComparison.Ordinal);
        Assert.Contains("version 4.0", Message(NpyBytes.Make(Valid, new byte[8], major: 4)), StringComparison.Ordinal);
        Assert.Contains("version 1.1", Message(NpyBytes.Make(Valid, new byte[8], minor: 1)), StringComparison.Ordinal);
        byte[] endless = NpyBytes.Make(Valid, new byte[8], major: 2);
        endless[11] = 0x7F;
        Assert.Contains("wanted at most 1048576", Message(endless), StringComparison.Ordinal);
    }

    [Fact]
    public void The_element_type_must_be_of_the_kind_that_is_asked_for()
    {
        byte[] integers = NpyBytes.Make("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", new byte[8]);
        Assert.Equal(
            "X.npy holds <i4; wanted <f4 or <f8.",
            Assert.Throws<InvalidDataException>(() => Npy.ReadSingle(NpyBytes.Open(integers))).Message);
        Assert.Equal(
            "X.npy holds <f4; wanted <i4 or <i8.",
            Assert.Throws<InvalidDataException>(() => Npy.ReadInt32(NpyBytes.Open(NpyBytes.Make(Valid, new byte[8])))).Message);
    }

    [Fact]
    public void Missing_files_and_directories_are_named()
    {
        string missing = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.npy");
        Assert.Equal($"{missing} does not exist.", Assert.Throws<FileNotFoundException>(() => Npy.ReadSingle(missing)).Message);
        string directory = Path.GetTempPath();
        Assert.StartsWith($"{directory} is a directory", Assert.Throws<IOException>(() => Npy.ReadSingle(directory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Writing_needs_as_many_values_as_the_shape_holds()
    {
        Assert.Throws<ArgumentException>(() => Npy.Write(Stream.Null, [2, 2], new float[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Npy.Write(Stream.Null, [-1], new float[1]));
    }

    private static string Message(byte[] bytes) => Assert.Throws<InvalidDataException>(() => NpyBytes.Open(bytes)).Message;
}
