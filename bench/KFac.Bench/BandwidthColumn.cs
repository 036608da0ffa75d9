using System.Globalization;
using System.Reflection;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace KFac.Bench;

/// <summary>Bytes that a benchmark must read and write for each element; the number of elements is its parameter Length.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BytesPerElementAttribute(int bytes) : Attribute
{
    public int Bytes { get; } = bytes;
}

/// <summary>Adds a column GB/s to benchmarks whose methods carry <see cref="BytesPerElementAttribute"/>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class BandwidthColumnAttribute : Attribute, IConfigSource
{
    public IConfig Config { get; } = ManualConfig.CreateEmpty().AddColumn(new BandwidthColumn());
}

/// <summary>Bytes moved by the time of the mean.</summary>
public sealed class BandwidthColumn : IColumn
{
    public string Id => nameof(BandwidthColumn);

    public string ColumnName => "GB/s";

    public string Legend => "Bytes that must be read and written, by the mean time";

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        int? bytes = benchmarkCase.Descriptor.WorkloadMethod.GetCustomAttribute<BytesPerElementAttribute>()?.Bytes;
        double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Mean;
        return benchmarkCase.Parameters["Length"] is int length && bytes is not null && nanoseconds is not null
            ? ((double)length * bytes.Value / nanoseconds.Value).ToString("0.0", CultureInfo.InvariantCulture)
            : "-";
    }
}
